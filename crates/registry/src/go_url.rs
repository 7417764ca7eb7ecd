//! URLs as Go's `url.Parse` reads them, with its errors: what the rules about addresses of webhooks are asked of.
//!
//! Not here: decoding paths and queries; nobody asks for more than whether there are any.

use api::field::go_quote;

/// The parts that rules ask for, as they were written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// In lower case; empty when there is none.
    pub(crate) scheme: String,
    pub(crate) user: Option<&'a str>,
    /// With the port.
    pub(crate) host: &'a str,
    pub(crate) query: &'a str,
    pub(crate) fragment: &'a str,
}

/// Reads a URL; what is wrong with it otherwise: `parse "…": invalid port ":x" after host`.
pub(crate) fn parse(text: &str) -> Result<Url<'_>, String> {
    let (whole, fragment) = text.split_once('#').unwrap_or((text, ""));
    let wrong = |quoted: &str, why: String| format!("parse {}: {why}", go_quote(quoted));
    let mut url = parse_whole(whole).map_err(|why| wrong(whole, why))?;
    check_escapes(fragment).map_err(|why| wrong(text, why))?;
    url.fragment = fragment;
    Ok(url)
}

fn parse_whole(text: &str) -> Result<Url<'_>, String> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = split_scheme(text)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = Url { scheme: scheme.to_ascii_lowercase(), query, ..Url::default() };
    if !rest.starts_with('/') {
        // `mailto:a@b` has neither host nor path.
        if scheme.is_empty() && rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        return Ok(url);
    }
    let has_authority = !scheme.is_empty() || !rest.starts_with("///");
    let path = match rest.strip_prefix("//").filter(|_| has_authority) {
        Some(after) => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            (url.user, url.host) = split_authority(authority)?;
            path
        }
        None => rest,
    };
    check_escapes(path)?;
    Ok(url)
}

/// What stands before the first colon, as long as it looks like a scheme.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn split_authority(authority: &str) -> Result<(Option<&str>, &str), String> {
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    check_host(host)?;
    let Some(user) = user else { return Ok((None, host)) };
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(fine) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    check_escapes(user)?;
    Ok((Some(user), host))
}

fn check_host(host: &str) -> Result<(), String> {
    let port = if host.starts_with('[') {
        let end = host.rfind(']').ok_or("missing ']' in host")?;
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    if !is_port {
        return Err(format!("invalid port {} after host", go_quote(port)));
    }
    check_escapes(host)?;
    let odd = |c: &char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"!$&'()*+,;=:[]<>\"-_.~%".contains(*c);
    match host.chars().find(odd) {
        Some(odd) => Err(format!("invalid character {} in host name", go_quote(&odd.to_string()))),
        None => Ok(()),
    }
}

/// Each `%` has two hexadecimal digits behind it.
fn check_escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let code: String = text[at..].chars().take(3).collect();
        if code.len() != 3 || !code[1..].bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("invalid URL escape {}", go_quote(&code)));
        }
    }
    Ok(())
}
