//! What the account lets whom buy, where it says how much.

use dialplane::{
    api::account::{Grants, Purchasing},
    api::purchase::Identity as PurchaseIdentity,
    plan::{
        Grant,
        grant::{Use, Wishes, settle},
    },
};

use super::{
    kinds::named,
    mutants::Mutant,
    scenario::Scenario,
    state::{Identity, Replica, Rights, State},
};

/// Whether the account lets an identity buy, as far as a replica knows.
pub fn grant(m: &Scenario, s: &State, replica: usize, of: Identity) -> Grant {
    let (mask, replica) = (1 << of, &s.replicas[replica]);
    let is_open = m.limit.is_none() || s.cluster.rights.open & mask != 0;
    let is_taken = replica.taken & mask != 0 && m.mutant != Some(Mutant::BoughtByWhatIsTaken);
    match replica.wishes & mask != 0 {
        _ if is_open && !is_taken && replica.returned & mask == 0 => Grant::Given,
        true => Grant::Asked(std::time::Duration::ZERO),
        false => Grant::None,
    }
}

/// A pass over the account: it settles who may buy, and the next one writes that.
pub fn over_account(m: &Scenario, s: &mut State) {
    let Replica { cache, known, returned, taken, wishes, ledger, .. } = &mut s.replicas[0];
    if let Some(written) = ledger.take() {
        s.cluster.rights = written;
        (*taken, *wishes) = (0, *wishes & !written.open);
        return;
    }
    let identities = 0..cache.journals.len() as Identity;
    let names: Vec<String> = identities.clone().map(|identity| named(m, identity).name).collect();
    let used = |identity: Identity| {
        let mask = 1 << identity;
        let is_wished = cache.objects.iter().flatten().any(|object| object.identity == identity);
        let unused = if is_wished { Use::Open } else { Use::Unused };
        let sent = cache.journals[usize::from(identity)].and_then(|journal| journal.number);
        let sent = sent.filter(|_| m.mutant != Some(Mutant::GivenBackUnsettled) || *returned & mask == 0);
        let Some(number) = sent else {
            if is_wished && *returned & mask != 0 {
                *taken |= mask;
            }
            return if *taken & mask != 0 { Use::Unused } else { unused };
        };
        let is_owned = *known & (1 << number) != 0;
        match cache.claims[usize::from(number)].as_ref().filter(|_| is_owned) {
            Some(claim) if claim.identity == identity => Use::Bought,
            Some(_) => unused,
            None if !is_wished && is_owned => Use::Bought,
            None => Use::Open,
        }
    };
    let mut used = used;
    let rights = s.cluster.rights;
    let is_open = |identity: &Identity| rights.open & (1 << identity) != 0;
    let of = |identity: Identity| &*names[usize::from(identity)];
    let open = identities.clone().filter(is_open).map(|identity| {
        let PurchaseIdentity { namespace, name } = named(m, identity);
        dialplane::api::account::Grant { uid: name.clone(), namespace, identity: name, day: "1".into() }
    });
    let current = Grants { day: "1".into(), bought: rights.bought.into(), open: open.collect() };
    let wished = identities.clone().filter(|identity| *wishes & (1 << identity) != 0);
    let settled = Wishes {
        wish: wished.map(|identity| (of(identity), named(m, identity))).collect(),
        uses: identities.clone().filter(is_open).map(|identity| (of(identity), used(identity))).collect(),
        owned: known.count_ones(),
        day: "1".into(),
    };
    let limits = Purchasing { max_per_day: m.limit.map(u32::from), ..Purchasing::default() };
    let next = settle(Some(&current), &limits, &settled);
    let is_next = |identity: &Identity| next.open.iter().any(|grant| grant.uid == of(*identity));
    let open = identities.filter(is_next).fold(0, |mask, identity| mask | 1 << identity);
    let next = Rights { open, bought: next.bought as u8 };
    if next == rights {
        *taken = 0;
    } else {
        *ledger = Some(next);
    }
}
