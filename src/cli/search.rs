//! `dialplane search`: what is for sale, looked for and checked as the operator does. It does I/O: it reads the cluster and the
//! carrier, and prints.

use anyhow::bail;
use clap::{ArgAction, ValueEnum, value_parser};
use kube::core::cel::validate_cel_schema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::target::{AccountName, ONLY_LOOKS, Target, block_on, or_dash, table};
use crate::{
    api::{
        meta::Key,
        money::Amount,
        number::E164,
        offer::{Feature, NumberType, Offer, Price, Search},
    },
    controller::DryRun,
    plan::{OfferQuery, choose},
};

/// What `dialplane search` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = ONLY_LOOKS)]
pub struct Args {
    /// The CarrierAccount to search under
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub account: AccountName,

    /// Two-letter country code, as in US
    #[arg(long, value_parser = country)]
    pub country: String,

    /// Local, Mobile, TollFree or National
    #[arg(long = "type", value_name = "TYPE", default_value = "Local", value_parser = named::<NumberType>)]
    pub kind: NumberType,

    /// Digits after the country code that identify a place, as in 415
    #[arg(long, value_parser = digits)]
    pub area_code: Option<String>,

    /// City or town, as the carrier spells it
    #[arg(long)]
    pub locality: Option<String>,

    /// State or province, as in CA
    #[arg(long)]
    pub region: Option<String>,

    /// A required feature: Voice, SMS, MMS, Fax or Emergency; can be repeated
    #[arg(long = "feature", value_name = "FEATURE", value_parser = named::<Feature>, action = ArgAction::Append)]
    pub features: Vec<Feature>,

    /// Digits after the country code
    #[arg(long, value_parser = digits)]
    pub starts_with: Option<String>,

    /// Digits, or letters as on a keypad, that the number contains, as in DENT
    #[arg(long, value_parser = pattern)]
    pub contains: Option<String>,

    /// Last digits
    #[arg(long, value_parser = digits)]
    pub ends_with: Option<String>,

    /// Search only the given place; otherwise the search is widened if it has no number, as with bestEffort
    #[arg(long)]
    pub exact: bool,

    /// Maximum number of results
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..))]
    pub limit: u32,

    /// Output format
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,

    #[command(flatten)]
    pub target: Target,
}

/// How what was found is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// A number for sale, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    number: E164,
    country: String,
    #[serde(rename = "type")]
    kind: NumberType,
    locality: Option<String>,
    region: Option<String>,
    features: Vec<Feature>,
    price: Price,
    /// Whether it is in the very place that was named.
    exact: bool,
}

/// Looks and prints. The error says what was tried where nothing was found.
pub fn run(args: Args) -> anyhow::Result<()> {
    block_on(async {
        let (dry_run, namespace) = args.target.dry_run().await?;
        let search = args.search();
        let account = args.account.key(&namespace);
        dry_run.open(&account).await?;
        let (mut tried, mut found) = (Vec::new(), Vec::new());
        // The first step of the ladder that has any, as it is for a PhoneNumber.
        for (step, search) in choose::ladder(&search).into_iter().enumerate() {
            let asked = OfferQuery::Search(search);
            found = fitting(&dry_run, &account, &asked, step == 0).await?;
            tried.push(asked.to_string());
            if !found.is_empty() {
                break;
            }
        }
        found.truncate(args.limit as usize);
        match args.output {
            Output::Json => println!("{}", serde_json::to_string_pretty(&found)?),
            Output::Table if found.is_empty() => {}
            Output::Table => print!("{}", shown(&found)),
        }
        if found.is_empty() {
            bail!("no number for sale matches. Tried: {}. Relax the search, or search another place", tried.join("; "));
        }
        Ok(())
    })
}

async fn fitting(dry_run: &DryRun, account: &Key, asked: &OfferQuery, exact: bool) -> anyhow::Result<Vec<Found>> {
    let offers = dry_run.offers(account, asked).await?;
    let fits = offers.found.into_iter().filter(|offer| asked.fits(offer));
    Ok(fits.map(|offer| Found::of(offer, exact)).collect())
}

impl Args {
    fn search(&self) -> Search {
        Search {
            country: self.country.clone(),
            kind: self.kind,
            area_code: self.area_code.clone(),
            locality: self.locality.clone(),
            region: self.region.clone(),
            features: self.features.clone(),
            starts_with: self.starts_with.clone(),
            contains: self.contains.clone(),
            ends_with: self.ends_with.clone(),
            best_effort: !self.exact,
        }
    }
}

impl Found {
    fn of(offer: Offer, exact: bool) -> Self {
        let Offer { number, country, kind, locality, region, features, price, can_hold: _ } = offer;
        Self { number, country, kind, locality, region, features, price, exact }
    }
}

fn shown(found: &[Found]) -> String {
    let rows: Vec<[String; 6]> = found
        .iter()
        .map(|found| {
            let place: Vec<&str> = [&found.locality, &found.region].into_iter().flatten().map(String::as_str).collect();
            let features: Vec<&str> = found.features.iter().map(|feature| feature.as_str()).collect();
            [
                found.number.to_string(),
                or_dash(Some(place.join(", ")).filter(|place| !place.is_empty())),
                or_dash(Some(features.join(",")).filter(|features| !features.is_empty())),
                money(&found.price, found.price.monthly),
                money(&found.price, found.price.setup),
                if found.exact { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    table(["NUMBER", "PLACE", "FEATURES", "MONTHLY", "SETUP", "EXACT"], &rows)
}

/// An amount in the currency of a price.
pub(super) fn money(price: &Price, amount: Option<Amount>) -> String {
    let currency = price.currency.as_deref().unwrap_or_default();
    or_dash(amount.map(|amount| format!("{amount} {currency}").trim_end().to_owned()))
}

/// A value as it stands in manifests.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}

fn country(text: &str) -> Result<String, String> {
    let country = text.to_ascii_uppercase();
    match validate_cel_schema::<Search>(&json!({"country": country}), None) {
        Ok(()) => Ok(country),
        Err(broken) => Err(broken.first().map(|broken| broken.message.clone()).unwrap_or_default()),
    }
}

fn digits(text: &str) -> Result<String, String> {
    let are = (1..=14).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    are.then(|| text.to_owned()).ok_or("write 1 to 14 digits, without the country code".to_owned())
}

fn pattern(text: &str) -> Result<String, String> {
    let is = (2..=14).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    is.then(|| text.to_owned()).ok_or("write 2 to 14 digits or letters, as in DENT".to_owned())
}
