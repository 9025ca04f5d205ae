//! What a whole plan comes to. No I/O.

use std::{collections::BTreeMap, fmt};

use super::{
    moves::Course,
    words::{self, Acquired, acquired},
};
use crate::{
    api::offer::Price,
    controller::{End, Foreseen},
    plan::{Effect, choose},
};

/// How many numbers of each kind there would be.
#[derive(Debug, Default)]
pub struct Total {
    import: usize,
    pub buy: usize,
    /// What those that would be bought cost together, by currency.
    cost: BTreeMap<Option<String>, Price>,
    /// How many of these have a price that is not known.
    unpriced: usize,
    route: usize,
    clear: usize,
    /// Bought before, for this or another object of the namespace.
    adopt: usize,
    /// A person would be asked.
    ask: usize,
    pub unseen: usize,
}

impl Total {
    /// Counts one number, and where it would go.
    pub fn add(&mut self, foreseen: &Foreseen, course: &Course) {
        match acquired(foreseen) {
            Some(Acquired::Imported) => self.import += 1,
            Some(Acquired::Adopted | Acquired::FromPool) => self.adopt += 1,
            None => {}
        }
        match &foreseen.end {
            End::Effect(Effect::Purchase(_)) => {
                self.buy += 1;
                self.spend(&words::price(foreseen));
            }
            End::Effect(Effect::Hold(_)) => self.ask += 1,
            End::Effect(Effect::BringIn(..)) => self.import += 1,
            End::Rest(_) if words::awaits_approval(foreseen) => self.ask += 1,
            End::Effect(_) | End::Rest(_) => {}
        }
        self.unseen += usize::from(words::is_unseen(foreseen));
        let writes = matches!(&foreseen.end, End::Effect(Effect::SetRoute(_) | Effect::SetBinding(_)));
        match &course.to {
            None => self.clear += usize::from(writes || course.is_new()),
            Some(_) => self.route += usize::from(writes || course.is_new()),
        }
    }

    fn spend(&mut self, price: &Price) {
        if price.monthly.is_none() && price.setup.is_none() {
            self.unpriced += 1;
            return;
        }
        let cost = self.cost.entry(price.currency.clone()).or_default();
        cost.currency.clone_from(&price.currency);
        for (sum, amount) in [(&mut cost.monthly, price.monthly), (&mut cost.setup, price.setup)] {
            if let Some(amount) = amount {
                *sum = Some(sum.unwrap_or_default().plus(amount));
            }
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { import, buy, cost, unpriced, route, clear, adopt, ask, unseen } = self;
        let mut costs: Vec<String> = cost.values().map(choose::shown).collect();
        if *unpriced > 0 {
            costs.push(format!("{unpriced} at {}", choose::shown(&Price::default())));
        }
        let costs = if costs.is_empty() { String::new() } else { format!(" ({})", costs.join(", and ")) };
        write!(f, "Plan: {import} to import, {buy} to buy{costs}, {route} to route, {clear} to clear")?;
        for (count, what) in [
            (adopt, "to reuse that were bought before"),
            (ask, "that would wait for approval"),
            (unseen, "of unknown outcome"),
        ] {
            if *count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        f.write_str(".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bought_is_added_up_by_currency_and_what_has_no_price_is_said() {
        let price = |monthly: &str, setup: Option<&str>, currency: &str| Price {
            monthly: Some(monthly.parse().unwrap()),
            setup: setup.map(|setup| setup.parse().unwrap()),
            currency: Some(currency.to_owned()),
        };
        let mut total = Total { import: 1, buy: 4, route: 5, ..Total::default() };
        let said = "Plan: 0 to import, 0 to buy, 0 to route, 0 to clear.";
        assert_eq!(Total::default().to_string(), said);
        for of in
            [price("1.15", None, "USD"), price("1.15", Some("0.50"), "USD"), price("3", None, "EUR"), Price::default()]
        {
            total.spend(&of);
        }
        let cost = "3 EUR a month, and 2.30 USD a month and 0.50 USD once, and 1 at an unknown price";
        assert_eq!(total.to_string(), format!("Plan: 1 to import, 4 to buy ({cost}), 5 to route, 0 to clear."));
    }
}
