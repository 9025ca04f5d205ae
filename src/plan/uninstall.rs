//! What an uninstalled operator would leave behind, and what has to end before. No I/O.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource, ResourceExt as _};

use crate::api::{
    Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
    claim::Holder,
    conditions::{Class, Condition, ReasonRow, Truth, Type},
    meta::{IN_USE_FINALIZER, Key, ROUTE_FINALIZER},
    number::E164,
    phone_number::{OnDelete, RouteStatus},
};

/// Every object of the cluster, and its namespaces.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub namespaces: Vec<Arc<Namespace>>,
    pub accounts: Vec<Arc<CarrierAccount>>,
    pub numbers: Vec<Arc<PhoneNumber>>,
    pub agents: Vec<Arc<Agent>>,
    pub versions: Vec<Arc<AgentVersion>>,
    pub claims: Vec<Arc<NumberClaim>>,
    pub purchases: Vec<Arc<NumberPurchase>>,
}

/// What stays, and what has to end first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uninstall {
    /// Every number that the cluster manages, in order.
    pub numbers: Vec<Left>,
    /// How many objects of each kind bear a finalizer of ours, which only the operator takes off.
    pub held: Vec<(String, usize)>,
    /// The Secrets that accounts name, and the account.
    pub secrets: Vec<(Key, Key)>,
    /// Platform, the account whose credentials it has, and for how many numbers.
    pub lent: Vec<(Key, Key, usize)>,
    /// What has to end before the operator goes; empty where it may go now.
    pub first: Vec<String>,
}

/// A number that stays in its account.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    pub number: E164,
    /// The PhoneNumber that manages it, if one does.
    pub holder: Option<Key>,
    pub account: Key,
    /// Where it goes on leading, as seen last.
    pub route: Option<RouteStatus>,
    pub on_delete: OnDelete,
}

/// Says what stays and what has to end first.
pub fn of(world: &World) -> Uninstall {
    let by_uid = world.numbers.iter().filter_map(|number| Some((number.metadata.uid.as_deref()?, &**number))).collect();
    let having = world.numbers.iter().filter_map(|number| Some((number.status.as_ref()?.number.as_ref()?, &**number)));
    let claims = world.claims.iter().map(|claim| (&claim.spec.number, &**claim)).collect();
    let known = Known { world, by_uid, having: having.collect(), claims };
    Uninstall {
        numbers: known.left(),
        held: world.held(),
        secrets: world.secrets(),
        lent: world.lent(),
        first: [world.deleting(), known.unsettled(), world.at_work(), world.unanswered()].concat(),
    }
}

/// The same, found fast: there may be many.
struct Known<'a> {
    world: &'a World,
    by_uid: BTreeMap<&'a str, &'a PhoneNumber>,
    /// The object whose status says that it has a number.
    having: BTreeMap<&'a E164, &'a PhoneNumber>,
    claims: BTreeMap<&'a E164, &'a NumberClaim>,
}

impl Known<'_> {
    fn holder(&self, holder: &Holder) -> Option<&PhoneNumber> {
        self.by_uid.get(&*holder.uid).copied()
    }

    fn left(&self) -> Vec<Left> {
        // A claim that somebody deleted does not hide a number that its object has.
        let said = self.having.values().filter_map(|number| {
            let status = number.status.as_ref()?;
            let left = Left {
                number: status.number.clone()?,
                holder: Some(Key::of(*number)),
                account: number.account(),
                route: status.route.clone(),
                on_delete: number.spec.on_delete,
            };
            Some((left.number.clone(), left))
        });
        let mut all: BTreeMap<E164, Left> = said.collect();
        for claim in self.claims.values() {
            let spec = &claim.spec;
            let holder = spec.holder.as_ref().and_then(|holder| self.holder(holder));
            let status = holder.and_then(|holder| holder.status.as_ref());
            let status = status.filter(|status| status.number.as_ref() == Some(&spec.number));
            // What was claimed to be bought, and never seen, is no number of the account.
            if status.is_none() && spec.purchase.is_some() && spec.carrier_number_id.is_empty() && spec.holder.is_some()
            {
                continue;
            }
            let left = Left {
                number: spec.number.clone(),
                holder: holder.map(Key::of),
                account: spec.account.key(),
                route: status.and_then(|status| status.route.clone()),
                on_delete: spec.on_delete,
            };
            all.insert(spec.number.clone(), left);
        }
        all.into_values().collect()
    }

    /// Purchases that may have been made and were not seen (rule 7). Nothing is sent before its claim.
    fn unsettled(&self) -> Vec<String> {
        let purchases = self.world.purchases.iter().filter_map(|purchase| {
            let (spec, identity) = (&purchase.spec, purchase.spec.identity());
            let number = spec.number.as_ref()?;
            let buyer = self.holder(&spec.holder);
            let is_its = |object: &&PhoneNumber| {
                object.identity().as_ref() == Some(&identity) || object.metadata.uid.as_ref() == Some(&spec.holder.uid)
            };
            if self.having.get(number).is_some_and(is_its) {
                return None;
            }
            let is_open = match self.claims.get(number).map(|claim| &claim.spec) {
                Some(claim) if claim.is_for(&identity) || claim.is_held_by(&spec.holder.uid) => {
                    !claim.was_seen_bought(spec.attempt)
                }
                Some(_) => false,
                None => buyer.is_some(),
            };
            let how = match buyer {
                Some(buyer) => {
                    format!("wait until PhoneNumber {} has it: its conditions say why it does not", Key::of(buyer))
                }
                None => format!(
                    "apply a PhoneNumber with the purchase identity {identity} again, so that the operator finds out"
                ),
            };
            is_open.then(|| {
                format!("NumberPurchase {}: it is unknown whether {number} was bought: {how}", purchase.name_any())
            })
        });
        purchases.collect()
    }
}

impl World {
    fn held(&self) -> Vec<(String, usize)> {
        let all = [
            held_of(&self.accounts),
            held_of(&self.numbers),
            held_of(&self.agents),
            held_of(&self.versions),
            held_of(&self.claims),
            held_of(&self.purchases),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn secrets(&self) -> Vec<(Key, Key)> {
        let mut all: Vec<(Key, Key)> = self
            .accounts
            .iter()
            .map(|account| {
                let key = Key::of(&**account);
                (Key::new(&*key.namespace, &*account.spec.credentials_ref.name), key)
            })
            .collect();
        all.sort();
        all
    }

    fn lent(&self) -> Vec<(Key, Key, usize)> {
        let mut all = BTreeMap::new();
        for spec in self.claims.iter().map(|claim| &claim.spec) {
            if let Some(bound) = spec.bound.as_ref().filter(|bound| bound.account != spec.account) {
                *all.entry((bound.account.key(), spec.account.key())).or_default() += 1;
            }
        }
        all.into_iter().map(|((platform, account), count)| (platform, account, count)).collect()
    }

    /// Objects that are being deleted, and that nobody would let go without the operator.
    fn deleting(&self) -> Vec<String> {
        [
            deleting_of(&self.accounts),
            deleting_of(&self.numbers),
            deleting_of(&self.agents),
            deleting_of(&self.versions),
            deleting_of(&self.claims),
            deleting_of(&self.purchases),
            self.deleting_with_their_namespace(),
        ]
        .concat()
    }

    /// Namespaces that are being deleted and have objects of ours which are not yet: something refuses that, and once it does not they are
    /// held up for good.
    fn deleting_with_their_namespace(&self) -> Vec<String> {
        let namespaces = self.namespaces.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_some());
        let going = namespaces.filter_map(|namespace| {
            let name = namespace.metadata.name.as_deref()?;
            let held = [
                staying_in(name, &self.accounts),
                staying_in(name, &self.numbers),
                staying_in(name, &self.agents),
                staying_in(name, &self.versions),
            ]
            .concat();
            let first = held.first()?;
            let others = match held.len() {
                1 => String::new(),
                several => format!(" and {} other objects", several - 1),
            };
            Some(format!(
                "Namespace {name} is being deleted, with {first}{others}: finish that while the operator runs"
            ))
        });
        going.collect()
    }

    /// Objects that the operator has not finished: what it was told last is not done.
    fn at_work(&self) -> Vec<String> {
        let numbers = self.numbers.iter().filter_map(|number| {
            let status = number.status.as_ref();
            let (observed, conditions) = (status.and_then(|s| s.observed_generation), status.map(|s| &*s.conditions));
            unfinished(&**number, observed, conditions.unwrap_or_default())
        });
        let agents = self.agents.iter().filter_map(|agent| {
            let status = agent.status.as_ref();
            let (observed, conditions) = (status.and_then(|s| s.observed_generation), status.map(|s| &*s.conditions));
            unfinished(&**agent, observed, conditions.unwrap_or_default())
        });
        numbers.chain(agents).collect()
    }

    /// Numbers that a platform was asked to answer and was not seen to. One that was taken off another agent may reach nobody.
    fn unanswered(&self) -> Vec<String> {
        let claims = self.claims.iter().filter_map(|claim| {
            let bound = claim.spec.bound.as_ref().filter(|bound| bound.route.is_empty())?;
            let platform = bound.account.key();
            Some(format!(
                "CarrierAccount {platform} was asked to answer {}, and it is not known yet whether it does: wait until the PhoneNumber is Routed",
                claim.spec.number
            ))
        });
        claims.collect()
    }
}

fn named<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{} {}", K::kind(&()), Key::of(object))
}

fn is_held(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|finalizer| [ROUTE_FINALIZER, IN_USE_FINALIZER].contains(&&**finalizer))
}

fn held_of<K: Resource<DynamicType = ()>>(objects: &[Arc<K>]) -> (String, usize) {
    (K::plural(&()).into_owned(), objects.iter().filter(|object| is_held(object.meta())).count())
}

fn deleting_of<K: Resource<DynamicType = ()>>(objects: &[Arc<K>]) -> Vec<String> {
    let going = objects.iter().filter(|o| o.meta().deletion_timestamp.is_some() && is_held(o.meta()));
    going.map(|object| format!("{} is being deleted: wait until it is gone", named(&**object))).collect()
}

fn staying_in<K: Resource<DynamicType = ()>>(namespace: &str, objects: &[Arc<K>]) -> Vec<String> {
    let staying = objects.iter().filter(|object| {
        let metadata = object.meta();
        metadata.namespace.as_deref() == Some(namespace) && metadata.deletion_timestamp.is_none() && is_held(metadata)
    });
    staying.map(|object| named(&**object)).collect()
}

/// Why an object is not finished, unless it is or is being deleted.
fn unfinished<K: Resource<DynamicType = ()>>(
    object: &K,
    observed: Option<i64>,
    conditions: &[Condition],
) -> Option<String> {
    if object.meta().deletion_timestamp.is_some() {
        return None;
    }
    let object_named = named(object);
    if observed != object.meta().generation {
        return Some(format!("{object_named} was changed and the operator has not handled that: wait until it has"));
    }
    let working = conditions.iter().find_map(working)?;
    Some(format!("{object_named} has the reason {}: wait until it is Ready", working.name))
}

/// The reason of a condition which says that the operator is at work.
fn working(condition: &Condition) -> Option<&'static ReasonRow> {
    let row = condition.row().filter(|row| row.class == Class::Working)?;
    condition.is(Type::Reconciling, Truth::True).then_some(row)
}
