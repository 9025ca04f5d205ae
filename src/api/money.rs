//! Amounts of money, exact to the last digit. No I/O.

use std::{borrow::Cow, fmt, str::FromStr};

use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An amount in some currency, as carriers and people write it: `1.15`. Never a floating-point number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(Decimal);

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount: write digits, and a point where there are decimals, as in \"1.50\"")]
pub struct NotAnAmount(String);

impl Amount {
    // As in the schema. What a carrier says is fitted to it: what the API server refuses could never be written into a status.
    const BOUND: u64 = 1_000_000_000_000;
    const DECIMALS: u32 = 8;

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// What is left of it.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl FromStr for Amount {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let amount = text.trim().parse::<Decimal>().ok().map(|amount| amount.round_dp(Self::DECIMALS));
        let amount = amount.filter(|amount| amount.abs() < Decimal::from(Self::BOUND));
        Ok(Self(amount.ok_or_else(|| NotAnAmount(text.chars().take(32).collect()))?))
    }
}

impl TryFrom<String> for Amount {
    type Error = NotAnAmount;

    fn try_from(text: String) -> Result<Self, NotAnAmount> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.0.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "x-kubernetes-validations": [{
                "rule": r"self.matches('^-?[0-9]{1,12}([.][0-9]{1,8})?$')",
                "message": "not an amount: write digits, and a point where there are decimals, as in \"1.50\"",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_by_what_they_are_worth_and_written_as_they_came() {
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        assert_eq!(amount("1.5"), amount("1.50"));
        assert!(amount("1.15") < amount("2") && amount("0.1") < amount("0.11"));
        assert_eq!(String::from(amount("1.150")), "1.150");
        for bad in ["", "free", "1,50", "$1", "1000000000000"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn whatever_a_carrier_says_is_written_so_that_the_schema_takes_it() {
        let fits = |text: &str| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
            (1..=12).contains(&whole.len()) && (1..=8).contains(&decimals.len())
        };
        for said in ["1.1500000000000001", "-0.00000000000001", "999999999999.99999999", ".5", "+1", "1.", "0012.50"] {
            let written = String::from(said.parse::<Amount>().unwrap());
            assert!(fits(&written), "{said} is written {written}");
        }
    }
}
