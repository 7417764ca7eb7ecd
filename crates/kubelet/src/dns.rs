//! /etc/resolv.conf, /etc/hosts and the host name of a pod. Pure.

use crate::pod;
use k8s_openapi::api::core::v1::Pod;
use std::net::IpAddr;

#[cfg(test)]
mod tests;

/// Resolver settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolvConf {
    /// In order.
    pub nameservers: Vec<String>,
    /// In order.
    pub searches: Vec<String>,
    /// `name` or `name:value`.
    pub options: Vec<String>,
}

/// Limits of the resolver (`MaxDNSNameservers`, `MaxDNSSearchPaths`).
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
/// Characters of one search path: some resolvers abort at more (`DNS1123SubdomainMaxLength`).
const MAX_SEARCH_LENGTH: usize = 253;
/// Characters of all search paths with the blanks between them (`MaxDNSSearchListChars`).
const MAX_SEARCH_LIST_LENGTH: usize = 2048;

/// Parses a node's resolv.conf.
pub fn parse_resolv_conf(text: &str) -> ResolvConf {
    let mut result = ResolvConf::default();
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => result.nameservers.extend(words.next().map(str::to_owned)),
            Some("search") => {
                result.searches = words.map(|w| if w == "." { w } else { w.trim_end_matches('.') }.to_owned()).collect()
            }
            Some("options") => result.options = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    result
}

/// The text of a resolv.conf, as upstream writes it: search, nameserver lines, options.
pub fn render_resolv_conf(conf: &ResolvConf) -> String {
    let mut text = String::new();
    if !conf.searches.is_empty() {
        text.push_str(&format!("search {}\n", conf.searches.join(" ")));
    }
    for server in &conf.nameservers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !conf.options.is_empty() {
        text.push_str(&format!("options {}\n", conf.options.join(" ")));
    }
    text
}

/// What a pod's resolver is to be, by its dnsPolicy and dnsConfig (`GetPodDNS`), and what of that had to be left out: the
/// words of DNSConfigForming events.
pub fn pod_dns(
    pod: &Pod,
    cluster_dns: &[String],
    cluster_domain: &str,
    node: &ResolvConf,
) -> (ResolvConf, Vec<String>) {
    let spec = pod::spec(pod);
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let cluster = match policy {
        "ClusterFirstWithHostNet" => true,
        "ClusterFirst" => !pod::host_network(pod),
        _ => false,
    };
    let mut conf = match policy {
        "None" => ResolvConf::default(),
        _ if cluster && !cluster_dns.is_empty() => {
            let namespace = pod::namespace(pod);
            let mut searches = Vec::new();
            if !cluster_domain.is_empty() {
                searches = vec![
                    format!("{namespace}.svc.{cluster_domain}"),
                    format!("svc.{cluster_domain}"),
                    cluster_domain.to_owned(),
                ];
            }
            searches.extend(node.searches.iter().cloned());
            ResolvConf { nameservers: cluster_dns.to_vec(), searches, options: vec!["ndots:5".to_owned()] }
        }
        _ => node.clone(),
    };
    if let Some(own) = &spec.dns_config {
        conf.nameservers.extend(own.nameservers.iter().flatten().cloned());
        conf.searches.extend(own.searches.iter().flatten().cloned());
        for option in own.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            let text = option.value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}:{value}"));
            conf.options.retain(|o| o.split(':').next() != Some(name.as_str()));
            conf.options.push(text);
        }
    }
    dedup(&mut conf.nameservers);
    dedup(&mut conf.searches);
    let warnings = fit(&mut conf);
    (conf, warnings)
}

/// Keeps to the resolver's limits (`formDNSConfigFitsLimits`).
fn fit(conf: &mut ResolvConf) -> Vec<String> {
    let mut warnings = Vec::new();
    if conf.nameservers.len() > MAX_NAMESERVERS {
        conf.nameservers.truncate(MAX_NAMESERVERS);
        warnings.push(format!(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {}",
            conf.nameservers.join(" ")
        ));
    }
    let wanted = conf.searches.len();
    conf.searches.truncate(MAX_SEARCHES);
    conf.searches.retain(|search| search.len() <= MAX_SEARCH_LENGTH);
    while conf.searches.join(" ").len() > MAX_SEARCH_LIST_LENGTH {
        conf.searches.pop();
    }
    if conf.searches.len() < wanted {
        warnings.push(format!(
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {}",
            conf.searches.join(" ")
        ));
    }
    warnings
}

fn dedup(list: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|item| seen.insert(item.clone()));
}

/// A host name has at most 63 characters.
const MAX_HOSTNAME_LENGTH: usize = 63;

/// A kernel's host name has at most 64 characters (`fqdnMaxLen`).
const MAX_KERNEL_HOSTNAME_LENGTH: usize = 64;

/// A host name that the kernel does not take.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to construct FQDN from pod hostname and cluster domain, FQDN {hostname} is too long \
     ({MAX_KERNEL_HOSTNAME_LENGTH} characters is the max, {} characters requested)",
    hostname.len()
)]
pub struct HostnameTooLong {
    hostname: String,
}

/// A pod's host name and, with a subdomain, its domain (`GeneratePodHostNameAndDomain`).
pub fn hostname_and_domain(pod: &Pod, cluster_domain: &str) -> (String, String) {
    let spec = pod::spec(pod);
    let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    if let Some(name) = given(&spec.hostname_override) {
        return (name, String::new());
    }
    let mut hostname = given(&spec.hostname).unwrap_or_else(|| pod::name(pod).to_owned());
    if hostname.len() > MAX_HOSTNAME_LENGTH {
        hostname.truncate(MAX_HOSTNAME_LENGTH);
        hostname.truncate(hostname.trim_end_matches(['-', '.']).len());
    }
    let domain = given(&spec.subdomain)
        .map(|subdomain| format!("{subdomain}.{}.svc.{cluster_domain}", pod::namespace(pod)))
        .unwrap_or_default();
    (hostname, domain)
}

/// Whether the kernel takes the sandbox's host name; a pod in the node's network has none of its own.
///
/// # Errors
/// [`HostnameTooLong`]
pub fn check_sandbox_hostname(pod: &Pod, cluster_domain: &str) -> Result<(), HostnameTooLong> {
    let hostname = sandbox_hostname(pod, cluster_domain);
    let fits = pod::host_network(pod) || hostname.len() <= MAX_KERNEL_HOSTNAME_LENGTH;
    if fits { Ok(()) } else { Err(HostnameTooLong { hostname }) }
}

/// The host name that the sandbox gets: the full one with `setHostnameAsFQDN`.
pub fn sandbox_hostname(pod: &Pod, cluster_domain: &str) -> String {
    let (hostname, domain) = hostname_and_domain(pod, cluster_domain);
    let full = pod::spec(pod).set_hostname_as_fqdn == Some(true) && !domain.is_empty();
    if full { format!("{hostname}.{domain}") } else { hostname }
}

/// The pod's /etc/hosts. With the node's network it is the node's own, with the aliases.
pub fn hosts_file(pod: &Pod, addresses: &[IpAddr], cluster_domain: &str, node_hosts: &str) -> String {
    let mut text = String::new();
    if pod::host_network(pod) {
        text.push_str("# Kubernetes-managed hosts file (host network).\n");
        text.push_str(node_hosts);
    } else {
        text.push_str("# Kubernetes-managed hosts file.\n");
        text.push_str("127.0.0.1\tlocalhost\n");
        text.push_str("::1\tlocalhost ip6-localhost ip6-loopback\n");
        text.push_str("fe00::0\tip6-localnet\n");
        text.push_str("fe00::0\tip6-mcastprefix\n");
        text.push_str("fe00::1\tip6-allnodes\n");
        text.push_str("fe00::2\tip6-allrouters\n");
        let (hostname, domain) = hostname_and_domain(pod, cluster_domain);
        for address in addresses {
            match domain.as_str() {
                "" => text.push_str(&format!("{address}\t{hostname}\n")),
                domain => text.push_str(&format!("{address}\t{hostname}.{domain}\t{hostname}\n")),
            }
        }
    }
    let aliases = pod::spec(pod).host_aliases.as_deref().unwrap_or_default();
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
        for alias in aliases {
            let names = alias.hostnames.as_deref().unwrap_or_default();
            text.push_str(&format!("{}\t{}\n", alias.ip, names.join("\t")));
        }
    }
    text
}
