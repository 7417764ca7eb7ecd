//! Charging an object to its namespace's quotas before it is written: upstream's last admission plugin, ResourceQuota.
//!
//! The plan is pure ([`registry::quota`]); here stands what upstream's quota accessor does: compare-and-swap of each
//! quota's `status.used`, and giving back what was charged for a write that then failed. What not: counting what is
//! there; that is the quota controller's, which also sees what deletions give back.

use crate::call::Call;
use crate::reader::ObjectReader;
use api::meta::{ObjectMeta, child_mut};
use api::quantity::Quantity;
use api::status::Status;
use registry::quota::{Kind, Usage, check_constraints, matches, usage};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use store::{CommitError, Expect, Revision};
use tokio::sync::Mutex;

/// Tries of a quota's update that loses to others: clients and the controller, since charges take turns.
const MAX_ATTEMPTS: usize = 16;
/// Charges of different namespaces may run side by side; this many at once.
const LANES: usize = 16;
/// Who owns the counts in `managedFields`.
const MANAGER: &str = "kube-apiserver";

/// Lets charges to one namespace take turns.
#[derive(Debug, Default)]
pub struct Quotas {
    lanes: [Mutex<()>; LANES],
}

impl Quotas {
    fn lane(&self, namespace: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        namespace.hash(&mut hasher);
        &self.lanes[usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()]
    }
}

/// What was charged, by the name of the quota.
#[derive(Debug, Default)]
pub struct Charge {
    namespace: String,
    parts: Vec<(String, Usage)>,
}

/// What a write adds to what its namespace uses.
fn delta(kind: Kind<'_>, new: &Value, old: &Value) -> Usage {
    let mut more = usage(kind, new);
    if !old.is_null() {
        let before = usage(kind, old);
        for (name, amount) in &mut more {
            *amount = before.get(name).map_or(*amount, |before| amount.sub(before));
        }
    }
    // What a change gives back the controller notices.
    more.retain(|_, amount| amount.sign() > 0);
    more
}

fn amounts(map: &Value) -> Usage {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?))).collect()
}

/// `a=1,b=2`
fn pretty<'a>(names: &BTreeSet<&str>, amount: impl Fn(&str) -> Option<&'a Quantity>) -> String {
    let texts = names.iter().filter_map(|name| Some(format!("{name}={}", amount(name)?)));
    texts.collect::<Vec<_>>().join(",")
}

/// What of `more` a quota counts, if there is room for it; `Err`: why not.
fn fits(quota: &Value, kind: Kind<'_>, object: &Value, more: &Usage) -> Result<Usage, String> {
    let (hard, used) = (amounts(&quota["status"]["hard"]), amounts(&quota["status"]["used"]));
    let required: BTreeSet<&str> = hard.keys().map(String::as_str).filter(|name| kind.is_concerned_by(name)).collect();
    let name = quota.name();
    check_constraints(kind, &required, object).map_err(|why| format!("failed quota: {name}: {why}"))?;
    let unknown: Vec<&str> = required.iter().copied().filter(|name| !used.contains_key(*name)).collect();
    if !unknown.is_empty() {
        let all = required.iter().copied().collect::<Vec<_>>().join(",");
        return Err(format!("status unknown for quota: {name}, resources: {all}"));
    }
    let requested: Usage =
        more.iter().filter(|(name, _)| hard.contains_key(*name)).map(|(name, q)| (name.clone(), *q)).collect();
    let exceeded: BTreeSet<&str> = requested
        .iter()
        .filter(|(name, amount)| {
            let sum = used.get(*name).map_or(**amount, |used| used.add(amount));
            hard.get(*name).is_some_and(|hard| sum > *hard)
        })
        .map(|(name, _)| name.as_str())
        .collect();
    if exceeded.is_empty() {
        return Ok(requested);
    }
    Err(format!(
        "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
        pretty(&exceeded, |name| requested.get(name)),
        pretty(&exceeded, |name| used.get(name)),
        pretty(&exceeded, |name| hard.get(name)),
    ))
}

/// Charges what a create (`old` is `Null`) or update adds to all quotas that count the object. A dry run only asks.
///
/// # Errors
/// 403 when a quota has no room for it or cannot count it; 409 when the quotas change too fast.
pub async fn charge(call: &Call<'_>, subresource: &str, object: &Value, old: &Value) -> Result<Charge, Status> {
    let row = call.row.clone();
    let kind = Kind { group: &row.group, plural: &row.plural };
    let namespace = object.namespace().to_owned();
    let mut charge = Charge { namespace: namespace.clone(), parts: Vec::new() };
    let relevant = old.is_null() || kind.is_charged_on_update(subresource);
    if namespace.is_empty() || !relevant || !kind.is_counted() {
        return Ok(charge);
    }
    if call.api.cache.list("", "resourcequotas", Some(&namespace)).is_empty() {
        return Ok(charge);
    }
    let more = delta(kind, object, old);
    let _turn = call.api.quotas.lane(&namespace).lock().await;
    let forbidden = |why: String| Status::forbidden(&call.subject(object.name()), &why);
    let quotas = call.api.cache.list("", "resourcequotas", Some(&namespace));
    let mut plan = Vec::new();
    for quota in quotas.iter().filter(|quota| matches(quota, kind, object)) {
        let requested = fits(quota, kind, object, &more).map_err(forbidden)?;
        plan.push((quota.name().to_owned(), requested));
    }
    if call.dry_run() {
        return Ok(charge);
    }
    for (name, requested) in plan.into_iter().filter(|(_, requested)| !requested.is_empty()) {
        let added = change(call, &namespace, &name, |quota| {
            fits(quota, kind, object, &more).map_err(forbidden).map(|_| add(quota, &requested))
        })
        .await;
        match added {
            Ok(()) => charge.parts.push((name, requested)),
            Err(status) => {
                give_back(call, charge).await;
                return Err(status);
            }
        }
    }
    Ok(charge)
}

/// `used` of a quota with some more.
fn add(quota: &Value, more: &Usage) -> Map<String, Value> {
    let mut used = amounts(&quota["status"]["used"]);
    for (name, amount) in more {
        if let Some(sum) = used.get_mut(name) {
            *sum = sum.add(amount);
        }
    }
    used.into_iter().map(|(name, amount)| (name, amount.to_string().into())).collect()
}

/// The write did not happen after all.
pub async fn refund(call: &Call<'_>, charge: Charge) {
    if !charge.parts.is_empty() {
        let _turn = call.api.quotas.lane(&charge.namespace).lock().await;
        give_back(call, charge).await;
    }
}

async fn give_back(call: &Call<'_>, charge: Charge) {
    for (name, requested) in charge.parts {
        let negated = requested.into_iter().map(|(name, amount)| (name, Quantity::ZERO.sub(&amount))).collect();
        if let Err(status) = change(call, &charge.namespace, &name, |quota| Ok(add(quota, &negated))).await {
            // The controller counts again.
            tracing::warn!(quota = %name, message = %status.message, "a charge could not be given back");
        }
    }
}

/// Compare-and-swap of a quota's `status.used`. A quota that is gone needs none.
async fn change(
    call: &Call<'_>,
    namespace: &str,
    name: &str,
    used: impl Fn(&Value) -> Result<Map<String, Value>, Status>,
) -> Result<(), Status> {
    let Some(row) = call.api.rows.stored("", "resourcequotas") else { return Ok(()) };
    let schema = crate::decode::schema_of(&row)?;
    let key = crate::cache::key(namespace, name);
    for _ in 0..MAX_ATTEMPTS {
        let Some(entry) = call.api.cache.shelf("", "resourcequotas").get(&key) else { return Ok(()) };
        let old: Arc<Value> = entry.value().into();
        let mut new = (*old).clone();
        child_mut(&mut new, "status").insert("used".to_owned(), used(&old)?.into());
        let reset = crate::endpoints::ownership::reset_of(&row, "status");
        let now = call.now();
        let writer = api::apply::Writer {
            schema,
            manager: MANAGER,
            api_version: "v1",
            subresource: "status",
            reset: &reset,
            now: &now,
            versions: None,
        };
        api::apply::update_managed_fields(Some(&old), &mut new, &writer);
        match call.api.storage.put(&row, &key, &new, Expect::At(Revision(entry.revision))).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(crate::endpoints::create::storage_error(&error)),
        }
    }
    let subject = api::status::Subject { group: "", resource: "resourcequotas", name };
    Err(Status::conflict(&subject, crate::endpoints::identity::OPTIMISTIC_LOCK))
}
