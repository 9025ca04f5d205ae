//! Whether money may be spent: the right to buy, given out one number at a time within the account's limits. No I/O.
//!
//! What was given out stands in the account's status and is written there by compare-and-set, so that the limits hold whatever
//! races, and across restarts.

use std::collections::BTreeMap;

use crate::api::{
    account::{Grant, Grants, Purchasing},
    conditions::{Finding, Reason},
    purchase::Identity,
};

/// How many rights may be open at once: they all stand in one status.
pub const MOST_OPEN: usize = 200;

/// What has become of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It may yet be used, or it is not known.
    Open,
    /// The number is bought, and among those that the account owns.
    Bought,
    /// It was not used and will not be: nobody has it any more, or it was given back.
    Unused,
}

/// Everything that decides who may buy.
#[derive(Clone, Debug, Default)]
pub struct Wishes<'a> {
    /// Uids and identities of the objects that wish to buy, in the order in which they asked.
    pub wish: Vec<(&'a str, Identity)>,
    /// What has become of the rights that are open, by uid.
    pub uses: BTreeMap<&'a str, Use>,
    /// Numbers that the account owns, those bought a moment ago among them.
    pub owned: u32,
    /// Today (UTC).
    pub day: String,
}

/// The ledger as it should be now.
pub fn settle(current: Option<&Grants>, limits: &Purchasing, w: &Wishes<'_>) -> Grants {
    let mut next = Grants { day: w.day.clone(), bought: 0, open: Vec::new() };
    let current = current.cloned().unwrap_or_default();
    if current.day == w.day {
        next.bought = current.bought;
    }
    let mut unused = Vec::new();
    for grant in current.open {
        match w.uses.get(&*grant.uid).copied().unwrap_or(Use::Open) {
            Use::Open => next.open.push(grant),
            Use::Bought if grant.day == w.day => next.bought += 1,
            Use::Bought => {}
            Use::Unused => unused.push(grant),
        }
    }
    for (uid, identity) in &w.wish {
        let is_its = |grant: &Grant| grant.uid == *uid || grant.is_for(identity);
        // What is given back is seen to be gone before it is given again.
        let known = next.open.iter().chain(&unused).any(is_its);
        if !known && next.open.len() < MOST_OPEN && refusal(&next, limits, w.owned).is_none() {
            let Identity { namespace, name } = identity.clone();
            next.open.push(Grant { uid: (*uid).to_owned(), namespace, identity: name, day: w.day.clone() });
        }
    }
    next
}

/// How many of those who hold rights a message names.
const MOST_NAMED: usize = 5;

/// Who holds rights by this ledger, for a reader in `namespace` where that is not the account's own: what is in other namespaces is only
/// counted.
pub fn holders(grants: &Grants, namespace: Option<&str>) -> String {
    let is_told = |grant: &&Grant| namespace.is_none_or(|namespace| grant.namespace == namespace);
    let told: Vec<String> =
        grants.open.iter().filter(is_told).filter_map(|grant| Some(grant.of()?.to_string())).collect();
    let mut all: Vec<String> = told.iter().take(MOST_NAMED).cloned().collect();
    match grants.open.len() - all.len() {
        0 => {}
        others if all.is_empty() => all.push(format!("{others} in other namespaces")),
        others => all.push(format!("{others} more")),
    }
    if all.is_empty() { String::new() } else { format!(" Purchase grants are held by: {}.", all.join(", ")) }
}

/// Why nobody else may buy by this ledger, where that is so.
pub fn refusal(grants: &Grants, limits: &Purchasing, owned: u32) -> Option<Finding> {
    let open = u32::try_from(grants.open.len()).unwrap_or(u32::MAX);
    let (today, in_all) = (grants.bought.saturating_add(open), owned.saturating_add(open));
    if let Some(most) = limits.max_per_day.filter(|most| today >= *most) {
        let text = format!(
            "{today} numbers were or may be bought today (UTC), and the CarrierAccount allows {most}. Wait until tomorrow, or raise \
             spec.purchasing.maxPerDay."
        );
        return Some(Finding::new(Reason::PurchaseLimitReached, text));
    }
    let most = limits.max_owned.filter(|most| in_all >= *most)?;
    let text = format!(
        "The account owns {owned} numbers and may get {open} more, and the CarrierAccount allows {most}. Release numbers at the carrier, or \
         raise spec.purchasing.maxOwned."
    );
    Some(Finding::new(Reason::PurchaseLimitReached, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_per_day: Option<u32>, max_owned: Option<u32>) -> Purchasing {
        Purchasing { max_per_day, max_owned, ..Purchasing::default() }
    }

    fn wishes<'a>(wish: &[&'a str], uses: &[(&'a str, Use)], owned: u32, day: &str) -> Wishes<'a> {
        let wish = wish.iter().map(|uid| (*uid, Identity::new("n", uid))).collect();
        Wishes { wish, uses: uses.iter().copied().collect(), owned, day: day.to_owned() }
    }

    fn open(grants: &Grants) -> Vec<&str> {
        grants.open.iter().map(|grant| &*grant.uid).collect()
    }

    #[test]
    fn no_more_are_given_out_than_a_day_allows_whatever_becomes_of_them() {
        let limits = limits(Some(2), None);
        let first = settle(None, &limits, &wishes(&["a", "b", "c"], &[], 0, "1"));
        assert_eq!(open(&first), ["a", "b"]);
        assert!(refusal(&first, &limits, 0).is_some());
        let bought = settle(Some(&first), &limits, &wishes(&["c"], &[("a", Use::Bought)], 1, "1"));
        assert_eq!((bought.bought, open(&bought)), (1, vec!["b"]), "one that is bought counts as before");
        let unused = settle(Some(&bought), &limits, &wishes(&["c"], &[("b", Use::Unused)], 1, "1"));
        assert_eq!((unused.bought, open(&unused)), (1, vec!["c"]));
    }

    #[test]
    fn a_new_day_begins_with_what_may_still_be_bought() {
        let limits = limits(Some(2), None);
        let first = settle(None, &limits, &wishes(&["a", "b"], &[], 0, "1"));
        let next = settle(Some(&first), &limits, &wishes(&["c", "d"], &[("a", Use::Bought)], 1, "2"));
        assert_eq!(
            (next.bought, open(&next)),
            (0, vec!["b", "c"]),
            "yesterday's open one counts, yesterday's bought one does not"
        );
    }

    #[test]
    fn what_is_given_back_is_anothers_and_its_own_only_once_it_is_seen_to_be_gone() {
        let limits = limits(Some(1), None);
        let first = settle(None, &limits, &wishes(&["a"], &[], 0, "1"));
        let back = settle(Some(&first), &limits, &wishes(&["a"], &[("a", Use::Unused)], 0, "1"));
        assert_eq!(open(&back), [""; 0]);
        assert_eq!(open(&settle(Some(&back), &limits, &wishes(&["a"], &[], 0, "1"))), ["a"]);
        let next = settle(Some(&first), &limits, &wishes(&["a", "b"], &[("a", Use::Unused)], 0, "1"));
        assert_eq!(open(&next), ["b"]);
    }

    #[test]
    fn whoever_reads_who_holds_rights_is_told_of_its_own_namespace_by_name() {
        let all = settle(None, &limits(None, None), &wishes(&["a", "b", "c", "d", "e", "f"], &[], 0, "1"));
        assert_eq!(holders(&all, None), " Purchase grants are held by: n/a, n/b, n/c, n/d, n/e, 1 more.");
        assert_eq!(holders(&all, Some("m")), " Purchase grants are held by: 6 in other namespaces.");
        assert_eq!(holders(&Grants::default(), None), "");
    }

    #[test]
    fn what_the_account_owns_counts_with_what_it_may_get() {
        let limits = limits(None, Some(10));
        let next = settle(None, &limits, &wishes(&["a", "b", "c"], &[], 8, "1"));
        assert_eq!(open(&next), ["a", "b"]);
        assert!(refusal(&next, &limits, 8).unwrap().message.contains("maxOwned"));
    }

    #[test]
    fn a_right_is_its_identitys_whichever_object_has_that() {
        let limits = limits(Some(1), None);
        let first = settle(None, &limits, &wishes(&["a"], &[], 0, "1"));
        let again = Wishes { wish: vec![("made-again", Identity::new("n", "a"))], ..wishes(&[], &[], 0, "1") };
        assert_eq!(settle(Some(&first), &limits, &again), first);
        assert!(first.open[0].is_for(&Identity::new("n", "a")) && !first.open[0].is_for(&Identity::new("m", "a")));
    }

    #[test]
    fn nobody_is_given_two_and_all_stand_in_one_status() {
        let next = settle(None, &limits(None, None), &wishes(&["a", "a"], &[], 0, "1"));
        assert_eq!(open(&next), ["a"]);
        let names: Vec<String> = (0..300).map(|i| i.to_string()).collect();
        let many: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(settle(None, &limits(None, None), &wishes(&many, &[], 0, "1")).open.len(), MOST_OPEN);
    }
}
