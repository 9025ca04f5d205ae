//! Which numbers would reach another version than now. No I/O.

use std::collections::BTreeMap;

use crate::{
    api::{meta::Key, phone_number::RouteStatus},
    controller::{DryRun, End, Foreseen},
    plan::Effect,
};

/// How many numbers are named of those that move together.
const NAMED: usize = 10;

/// What a number reaches: namespace and name of an Agent, and its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    agent: String,
    version: String,
}

impl From<&RouteStatus> for Reached {
    fn from(route: &RouteStatus) -> Self {
        Self { agent: route.agent.clone(), version: route.version.clone() }
    }
}

/// What a number reaches now and would reach then; nothing is nothing of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The PhoneNumber, and the number where that is known.
    number: String,
    /// The Agent that it refers to.
    agent: Option<Key>,
    from: Option<Reached>,
    pub to: Option<Reached>,
}

impl Course {
    /// What would become of this number's.
    pub fn of(dry_run: &DryRun, key: &Key, foreseen: &Foreseen) -> Self {
        let number = &foreseen.number;
        let (status, agent) = (number.status.as_ref(), number.agent());
        let from = status.and_then(|status| status.route.as_ref()).map(Reached::from);
        let wanted = || {
            let agent = agent.as_ref()?;
            Some(Reached { agent: agent.to_string(), version: dry_run.serves(agent)? })
        };
        let to = match &foreseen.end {
            End::Effect(Effect::Purchase(buy)) if buy.route.is_empty() => None,
            End::Effect(Effect::SetRoute(_) | Effect::SetBinding(_) | Effect::Purchase(_) | Effect::Mark(_)) => {
                wanted()
            }
            End::Rest(Some(status)) => status.route.as_ref().map(Reached::from),
            End::Effect(_) | End::Rest(None) => from.clone(),
        };
        let named = foreseen.taken.as_ref().map(|claim| &claim.number);
        let number = match named.or(status.and_then(|status| status.number.as_ref())).or(number.named()) {
            Some(number) => format!("{key} ({number})"),
            None => key.to_string(),
        };
        Self { number, agent, from, to }
    }

    /// Whether it would reach something else.
    pub fn is_new(&self) -> bool {
        self.from != self.to
    }
}

/// A line for all numbers of an Agent that would go from one thing to the same other.
pub fn told(agent: &Key, courses: &[Course]) -> Vec<String> {
    let shown = |reached: &Option<Reached>| match reached {
        None => "nothing".to_owned(),
        Some(reached) if reached.agent == agent.to_string() => reached.version.clone(),
        Some(reached) => format!("{} of Agent {}", reached.version, reached.agent),
    };
    let mut together: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for of in courses.iter().filter(|of| of.is_new() && of.agent.as_ref() == Some(agent)) {
        together.entry((shown(&of.from), shown(&of.to))).or_default().push(&of.number);
    }
    let line = |((from, to), numbers): ((String, String), Vec<&str>)| {
        let count = if numbers.len() == 1 { "one number".to_owned() } else { format!("{} numbers", numbers.len()) };
        let more = numbers.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let named: Vec<&str> = numbers.into_iter().take(NAMED).collect();
        format!("{count} would go from {from} to {to}: {}{more}", named.join(", "))
    };
    together.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_move_together_are_told_together_and_of_many_only_some_are_named() {
        let agent = Key::new("agents", "front");
        let at = |agent: &str, version: &str| Some(Reached { agent: agent.into(), version: version.into() });
        let of = |number: String, agent: &Key, from, to| Course { number, agent: Some(agent.clone()), from, to };
        let (v1, v2) = (at("agents/front", "v1"), at("agents/front", "v2"));
        let mut moves: Vec<Course> = (0..12).map(|i| of(format!("a/{i}"), &agent, v1.clone(), v2.clone())).collect();
        moves.push(of("b/new".into(), &agent, None, v2.clone()));
        moves.push(of("b/other".into(), &agent, at("agents/back", "v7"), None));
        moves.push(of("b/same".into(), &agent, v1.clone(), v1.clone()));
        moves.push(of("c/elsewhere".into(), &Key::new("agents", "back"), None, v1));
        let told = told(&agent, &moves);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("one number would go from nothing to v2: b/new"), "{told:?}");
        assert!(
            told[1].starts_with("12 numbers would go from v1 to v2: a/0, a/1") && told[1].ends_with("a/9, and 2 more")
        );
        assert_eq!(told[2], "one number would go from v7 of Agent agents/back to nothing: b/other");
    }
}
