//! The algebra of field sets. Every operation takes what it can by value, so that nothing is copied that both sides
//! would throw away.

use super::{Node, PathElement, Set};
use std::cmp::Ordering;

impl Set {
    /// The paths that are in one or both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.nodes.is_empty() {
            return other;
        }
        if other.nodes.is_empty() {
            return self;
        }
        let mut nodes = Vec::with_capacity(self.nodes.len().max(other.nodes.len()));
        let (mut left, mut right) = (self.nodes.into_iter().peekable(), other.nodes.into_iter().peekable());
        while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
            match l.0.cmp(&r.0) {
                Ordering::Less => nodes.extend(left.next()),
                Ordering::Greater => nodes.extend(right.next()),
                Ordering::Equal => {
                    if let (Some((element, l)), Some((_, r))) = (left.next(), right.next()) {
                        let node = Node { member: l.member || r.member, children: l.children.union(r.children) };
                        nodes.push((element, node));
                    }
                }
            }
        }
        nodes.extend(left);
        nodes.extend(right);
        Self { nodes }
    }

    /// The paths of this set that are not in `other`. What is below a path of `other` stays.
    #[must_use]
    pub fn difference(self, other: &Self) -> Self {
        self.filter_against(other, &|node, theirs| Node {
            member: node.member && !theirs.member,
            children: node.children.difference(&theirs.children),
        })
    }

    /// The paths of this set that are neither in `other` nor below a path of it.
    #[must_use]
    pub fn recursive_difference(self, other: &Self) -> Self {
        self.filter_against(other, &|node, theirs| {
            if theirs.member {
                return Node::default();
            }
            Node { member: node.member, children: node.children.recursive_difference(&theirs.children) }
        })
    }

    /// The paths that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut nodes = Vec::new();
        for (element, node) in &self.nodes {
            let Some(theirs) = other.get(element.as_str()) else {
                continue;
            };
            let children = node.children.intersection(&theirs.children);
            let member = node.member && theirs.member;
            if member || !children.is_empty() {
                nodes.push((element.clone(), Node { member, children }));
            }
        }
        Self { nodes }
    }

    /// Keeps only the paths that are in `allowed`, lie below a path of it, or lead to one. `*` in `allowed` (the
    /// element from [`PathElement::field`]`("*")`) stands for any element: upstream's include filters.
    #[must_use]
    pub fn only_within(self, allowed: &Self) -> Self {
        let any = PathElement::field("*");
        let mut nodes = Vec::new();
        for (element, node) in self.nodes {
            let Some(theirs) = allowed.get(element.as_str()).or_else(|| allowed.get(any.as_str())) else {
                continue;
            };
            if theirs.member {
                nodes.push((element, node));
                continue;
            }
            let node = Node { member: node.member, children: node.children.only_within(&theirs.children) };
            if node.member || !node.children.is_empty() {
                nodes.push((element, node));
            }
        }
        Self { nodes }
    }

    fn filter_against(self, other: &Self, keep: &dyn Fn(Node, &Node) -> Node) -> Self {
        if other.nodes.is_empty() {
            return self;
        }
        let mut nodes = self.nodes;
        nodes.retain_mut(|(element, node)| {
            let Some(theirs) = other.get(element.as_str()) else {
                return true;
            };
            *node = keep(std::mem::take(node), theirs);
            node.member || !node.children.is_empty()
        });
        Self { nodes }
    }
}
