//! What is looked for and what is for sale: the part of buying that people write and carriers answer. No I/O.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{money::Amount, number::E164};

/// The search for a number. Every field that is set must match; one of the matching numbers is chosen.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.areaCode) || self.country in ['US', 'CA'] || self.type != 'TollFree'").message("areaCode needs a place, and TollFree numbers outside of the US and Canada have none: remove one of the two"),
)]
pub struct Search {
    /// Two-letter country code ([ISO 3166-1](https://www.iso.org/iso-3166-country-codes.html)), as in `US`. The United Kingdom's is `GB`.
    #[schemars(length(max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Z]{2}$')").message("country is a two-letter country code in capitals, as in US"),
        validation = Rule::new("!self.matches('^[A-Z]{2}$') || self.matches('^(A[DEFGILMOQRSTUWXZ]|B[ABDEFGHIJLMNOQRSTVWYZ]|C[ACDFGHIKLMNORUVWXYZ]|D[EJKMOZ]|E[CEGHRST]|F[IJKMOR]|G[ABDEFGHILMNPQRSTUWY]|H[KMNRTU]|I[DELMNOQRST]|J[EMOP]|K[EGHIMNPRWYZ]|L[ABCIKRSTUVY]|M[ACDEFGHKLMNOPQRSTUVWXYZ]|N[ACEFGILOPRUZ]|OM|P[AEFGHKLMNRSTWY]|QA|R[EOSUW]|S[ABCDEGHIJKLMNORSTVXYZ]|T[CDFGHJKLMNORTVWZ]|U[AGMSYZ]|V[ACEGINU]|W[FS]|XK|Y[ET]|Z[AMW])$')").message("country is not an ISO 3166-1 country code: write for example GB for the United Kingdom, DE for Germany, JP for Japan")
    )]
    pub country: String,
    /// The type of the number. `Local` by default.
    #[serde(default, rename = "type")]
    pub kind: NumberType,
    /// Area code: the digits after the country code that identify a place, as in `"415"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,5}$')").message("areaCode is 1 to 5 digits in quotes, as in \"415\""))]
    pub area_code: Option<String>,
    /// City or town, as the carrier spells it, as in `San Francisco`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub locality: Option<String>,
    /// State or province, as in `CA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
    /// The features that the number must have: all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "set"))]
    pub features: Vec<Feature>,
    /// The digits after the country code, as in `"41555"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,14}$')").message("startsWith is 1 to 14 digits in quotes, without the country code, as in \"41555\""))]
    pub starts_with: Option<String>,
    /// Digits, or letters as on a keypad, that the number contains after the country code, as in `DENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9A-Za-z]{2,14}$')").message("contains is 2 to 14 digits or letters, as in DENT"))]
    pub contains: Option<String>,
    /// The last digits, as in `"1234"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,14}$')").message("endsWith is 1 to 14 digits in quotes, as in \"1234\""))]
    pub ends_with: Option<String>,
    /// Whether the search is widened if the place has no matching number: first any locality, then any area code of the region, then the
    /// whole country. `true` by default. Country, type, features, pattern and price are never relaxed.
    #[serde(default = "yes")]
    pub best_effort: bool,
}

fn yes() -> bool {
    true
}

/// The digits under letters on a telephone's keypad ([ITU-T E.161](https://www.itu.int/rec/T-REC-E.161)).
pub fn keypad(text: &str) -> String {
    let digit = |c: char| match c.to_ascii_uppercase() {
        'A'..='C' => '2',
        'D'..='F' => '3',
        'G'..='I' => '4',
        'J'..='L' => '5',
        'M'..='O' => '6',
        'P'..='S' => '7',
        'T'..='V' => '8',
        'W'..='Z' => '9',
        other => other,
    };
    text.chars().map(digit).collect()
}

/// The type of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NumberType {
    #[default]
    Local,
    Mobile,
    TollFree,
    National,
}

impl NumberType {
    /// As it stands in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            NumberType::Local => "Local",
            NumberType::Mobile => "Mobile",
            NumberType::TollFree => "TollFree",
            NumberType::National => "National",
        }
    }
}

/// What a number can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Feature {
    Voice,
    #[serde(rename = "SMS")]
    Sms,
    #[serde(rename = "MMS")]
    Mms,
    Fax,
    Emergency,
}

impl Feature {
    pub const ALL: [Self; 5] = [Self::Voice, Self::Sms, Self::Mms, Self::Fax, Self::Emergency];

    /// As it stands in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Feature::Voice => "Voice",
            Feature::Sms => "SMS",
            Feature::Mms => "MMS",
            Feature::Fax => "Fax",
            Feature::Emergency => "Emergency",
        }
    }
}

/// Of a list of names those that this version knows.
pub fn known_features<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Feature>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    Ok(Feature::ALL.into_iter().filter(|feature| names.iter().any(|name| name == feature.as_str())).collect())
}

/// The price of a number. Unknown parts are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// Per month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Amount>,
    /// One-time setup price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Amount>,
    /// The carrier's billing currency as a three-letter code ([ISO 4217](https://www.iso.org/iso-4217-currency-codes.html)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    pub currency: Option<String>,
}

/// The offer of a number: its place, type and features, which its digits do not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offered {
    /// Two-letter country code.
    #[schemars(length(max = 16))]
    pub country: String,
    /// The type of the number.
    #[serde(rename = "type")]
    pub kind: NumberType,
    /// City or town, as the carrier spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub locality: Option<String>,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub region: Option<String>,
    /// Its features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub features: Vec<Feature>,
}

/// A number for sale, as a carrier offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub number: E164,
    /// Two-letter country code.
    pub country: String,
    pub kind: NumberType,
    pub locality: Option<String>,
    pub region: Option<String>,
    pub features: Vec<Feature>,
    pub price: Price,
    /// Whether the carrier keeps it for a while on request.
    pub can_hold: bool,
}

impl Offer {
    /// What its digits do not tell of the number.
    pub fn offered(&self) -> Offered {
        Offered {
            country: self.country.clone(),
            kind: self.kind,
            locality: self.locality.clone(),
            region: self.region.clone(),
            features: self.features.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_this_version_does_not_know_takes_nothing_else_with_it() {
        #[derive(Deserialize)]
        struct Status {
            #[serde(deserialize_with = "known_features")]
            features: Vec<Feature>,
        }
        let status: Status = serde_json::from_str(r#"{"features": ["SMS", "Voice", "OfTheFuture", "SMS"]}"#).unwrap();
        assert_eq!(status.features, [Feature::Voice, Feature::Sms]);
    }
}
