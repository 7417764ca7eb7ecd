//! Why a pod fits nowhere, in upstream's words (`framework.FitError`).

use crate::framework::Rejection;
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of filtering all nodes without finding one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitError {
    /// How many nodes there are.
    pub node_count: usize,
    /// How often each reason was given.
    reasons: BTreeMap<String, usize>,
    /// Nodes where evicting pods could not help.
    unresolvable: usize,
    /// Nodes where it might.
    resolvable: usize,
    /// Which plugins refused: what must change for another try.
    pub plugins: BTreeSet<&'static str>,
}

impl FitError {
    /// For a cluster of `node_count` nodes.
    pub fn new(node_count: usize) -> Self {
        Self { node_count, ..Self::default() }
    }

    /// Counts a refusal by `nodes` nodes.
    pub fn add(&mut self, plugin: &'static str, rejection: &Rejection, nodes: usize) {
        self.plugins.insert(plugin);
        for reason in &rejection.reasons {
            match self.reasons.get_mut(reason.as_ref()) {
                Some(count) => *count += nodes,
                None => {
                    self.reasons.insert(reason.to_string(), nodes);
                }
            }
        }
        if rejection.unresolvable { self.unresolvable += nodes } else { self.resolvable += nodes }
    }

    /// The message of the event and of the condition. `may_preempt`: preemptionPolicy is not Never.
    pub fn message(&self, may_preempt: bool) -> String {
        if self.node_count == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let reasons = histogram(self.reasons.iter().map(|(reason, count)| (*count, reason.as_str())));
        format!("0/{} nodes are available:{reasons} {}", self.node_count, self.post_filter(may_preempt))
    }

    /// What the PostFilter plugins say: DynamicResources, then DefaultPreemption.
    fn post_filter(&self, may_preempt: bool) -> String {
        let preemption = if may_preempt {
            let counts = [
                (self.unresolvable, "Preemption is not helpful for scheduling"),
                (self.resolvable, "No preemption victims found for incoming pod"),
            ];
            let counts = histogram(counts.into_iter().filter(|(count, _)| *count > 0));
            format!("0/{} nodes are available:{counts}", self.node_count)
        } else {
            "not eligible due to preemptionPolicy=Never.".to_owned()
        };
        format!("no new claims to deallocate, preemption: {preemption}")
    }
}

/// ` 1 this, 2 that.`, sorted as text, as upstream does.
fn histogram<'a>(counts: impl Iterator<Item = (usize, &'a str)>) -> String {
    let mut texts: Vec<String> = counts.map(|(count, reason)| format!("{count} {reason}")).collect();
    texts.sort_unstable();
    if texts.is_empty() { String::new() } else { format!(" {}.", texts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_upstreams() {
        let mut error = FitError::new(3);
        error.add("TaintToleration", &Rejection::unresolvable("node(s) had untolerated taint(s)"), 1);
        for _ in 0..2 {
            let reasons = vec!["Insufficient cpu".into(), "Insufficient memory".into()];
            error.add("NodeResourcesFit", &Rejection { reasons, unresolvable: false }, 1);
        }
        expect_test::expect!["0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."]
            .assert_eq(&error.message(true));
        expect_test::expect!["0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."]
            .assert_eq(&error.message(false));
        assert_eq!(FitError::new(0).message(true), "no nodes available to schedule pods");
    }
}
