//! Lists whose elements have an identity: which elements there are, and in which order they come out.
//!
//! The order is decided for those elements that the ancestor had; the side that moved them decides. Elements that a side
//! added come behind the one that they follow on that side. Where both sides added something at the same place, it comes
//! in the order of identities: ids grow, so that is the order in which things were made, and the result does not depend
//! on which side is called first.

use crate::Favour;
use crate::path::Identity;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The elements that a merge kept.
pub(crate) type Kept = BTreeMap<Identity, Value>;

/// Three versions of one list.
#[derive(Debug)]
pub(crate) struct Sides<'a> {
    base: Side<'a>,
    ours: Side<'a>,
    theirs: Side<'a>,
}

#[derive(Debug)]
struct Side<'a> {
    order: Vec<Identity>,
    elements: BTreeMap<Identity, &'a Value>,
}

impl<'a> Side<'a> {
    /// `None` when an element has no identity, or two have the same.
    fn of(list: &'a [Value]) -> Option<Self> {
        let order: Vec<Identity> = list.iter().map(Identity::of).collect::<Option<_>>()?;
        let elements: BTreeMap<Identity, &Value> = order.iter().cloned().zip(list).collect();
        (elements.len() == order.len()).then_some(Self { order, elements })
    }

    fn has(&self, identity: &Identity) -> bool {
        self.elements.contains_key(identity)
    }

    /// Its elements that hold to a rule, in its order.
    fn those(&self, holds: impl Fn(&Identity) -> bool) -> Vec<&Identity> {
        self.order.iter().filter(|identity| holds(identity)).collect()
    }
}

impl<'a> Sides<'a> {
    /// `None` when these are no lists of elements with an identity each.
    pub(crate) fn of(base: &'a [Value], ours: &'a [Value], theirs: &'a [Value]) -> Option<Self> {
        Some(Self { base: Side::of(base)?, ours: Side::of(ours)?, theirs: Side::of(theirs)? })
    }

    /// Everything that is on any side.
    pub(crate) fn identities(&self) -> BTreeSet<&Identity> {
        [&self.base, &self.ours, &self.theirs].into_iter().flat_map(|side| &side.order).collect()
    }

    /// An element on each side.
    pub(crate) fn element(&self, identity: &Identity) -> [Option<&'a Value>; 3] {
        [&self.base, &self.ours, &self.theirs].map(|side| side.elements.get(identity).copied())
    }

    /// The order of what was kept; and whether both sides changed it, each in its way.
    pub(crate) fn order(&self, kept: &Kept, favour: Favour) -> (Vec<&Identity>, bool) {
        let (skeleton, both_reordered) = self.skeleton(kept, favour);
        let place: BTreeMap<&Identity, usize> = skeleton.iter().copied().zip(1..).collect();
        let is_added = |identity: &Identity| kept.contains_key(identity) && !place.contains_key(identity);
        // What each side added, by the place that it follows; 0 is in front of all.
        let mut added = [BTreeMap::new(), BTreeMap::new()];
        for (side, added) in [&self.ours, &self.theirs].into_iter().zip(&mut added) {
            let mut behind = 0;
            for identity in &side.order {
                if let Some(at) = place.get(identity) {
                    behind = *at;
                } else if is_added(identity) {
                    added.entry(identity).or_insert(behind);
                }
            }
        }
        let [ours, theirs] = &added;
        // What both added, at different places, comes at the first of them.
        let behind = |identity: &Identity| match (ours.get(identity), theirs.get(identity)) {
            (Some(one), Some(other)) => Some(*one.min(other)),
            (one, other) => one.or(other).copied(),
        };
        let mut order = Vec::with_capacity(kept.len());
        for at in 0..=skeleton.len() {
            if let Some(before) = at.checked_sub(1).and_then(|at| skeleton.get(at)) {
                order.push(*before);
            }
            let here = |identity: &Identity| is_added(identity) && behind(identity) == Some(at);
            let (of_ours, of_theirs) = (self.ours.those(here), self.theirs.those(here));
            if of_theirs.is_empty() || of_ours == of_theirs {
                order.extend(of_ours);
            } else if of_ours.is_empty() {
                order.extend(of_theirs);
            } else {
                order.extend(of_ours.into_iter().chain(of_theirs).collect::<BTreeSet<_>>());
            }
        }
        (order, both_reordered)
    }

    /// The order of those elements that the ancestor had and that were kept.
    fn skeleton(&self, kept: &Kept, favour: Favour) -> (Vec<&Identity>, bool) {
        let (base, ours, theirs) = (&self.base, &self.ours, &self.theirs);
        let stays = |identity: &Identity| base.has(identity) && kept.contains_key(identity);
        // Looked at on the elements that all three have: what was kept depends on whom a conflict favours, and whether
        // there is one must not.
        let common = |identity: &Identity| [base, ours, theirs].iter().all(|side| side.has(identity));
        let (before, one, other) = (base.those(common), ours.those(common), theirs.those(common));
        let favoured = match favour {
            Favour::Ours => ours,
            Favour::Theirs => theirs,
        };
        match (one != before, other != before) {
            (false, false) => (base.those(stays), false),
            (true, false) => (completed(ours, base, stays), false),
            (false, true) => (completed(theirs, base, stays), false),
            (true, true) => (completed(favoured, base, stays), one != other),
        }
    }
}

/// A side's order of the ancestor's elements. What the side deleted, and the other one's change kept, comes where the
/// ancestor had it.
fn completed<'s>(
    side: &'s Side<'_>,
    base: &'s Side<'_>,
    stays: impl Fn(&Identity) -> bool,
) -> Vec<&'s Identity> {
    let mut order = side.those(&stays);
    let mut before: Option<&Identity> = None;
    for identity in base.those(&stays) {
        if !side.has(identity) {
            let at = order.iter().position(|one| Some(*one) == before).map_or(0, |at| at + 1);
            order.insert(at, identity);
        }
        before = Some(identity);
    }
    order
}
