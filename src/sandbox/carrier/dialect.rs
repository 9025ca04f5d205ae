//! Which carrier's API a request speaks, and what is said in each: every question that the machinery around them has. No I/O.

use serde_json::Value;

use super::{
    config::{Dialect, Switches},
    flowyte,
    ledger::Kind,
    nixflex, telnyx,
    text::{hex32, uuid},
    twilio,
    wire::{Reply, Request},
    world::{Number, Simulation, is_sid},
};

impl Dialect {
    /// The API that a path belongs to. Telnyx and the newer of Twilio's hosts have a version 2: Twilio begins names with a capital letter,
    /// as in `/v2/PhoneNumbers`, and Telnyx writes them small, as in `/v2/phone_numbers`.
    pub(super) fn of(path: &str) -> Self {
        let is_twilios = |name: &str| name.starts_with(|first: char| first.is_ascii_uppercase());
        match path {
            _ if path.strip_prefix("/v2/").is_some_and(is_twilios) => Self::Twilio,
            _ if path.starts_with("/v2/") => Self::Telnyx,
            _ if path.starts_with("/flowyte/") => Self::Flowyte,
            _ if path.starts_with("/nixflex/") => Self::Nixflex,
            _ => Self::Twilio,
        }
    }

    /// What a request is for, before it is known what becomes of it.
    pub(super) fn classify(self, request: &Request) -> Kind {
        match self {
            Self::Twilio => twilio::classify(request),
            Self::Telnyx => telnyx::classify(request),
            Self::Flowyte => flowyte::classify(request),
            Self::Nixflex => nixflex::classify(request),
        }
    }

    /// The account that a request acts on.
    pub(super) fn account_of(self, world: &Simulation, request: &Request) -> Option<String> {
        match self {
            Self::Twilio => twilio::account_of(world, request),
            Self::Telnyx => telnyx::account_of(world, request),
            Self::Flowyte => flowyte::account_of(world, request),
            Self::Nixflex => nixflex::account_of(world, request),
        }
    }

    /// The number that a request is about, as far as it says so.
    pub(super) fn number_of(self, world: &Simulation, request: &Request) -> Option<String> {
        match self {
            Self::Twilio => twilio::number_of(world, request),
            Self::Telnyx => telnyx::number_of(world, request),
            Self::Flowyte => flowyte::number_of(world, request),
            Self::Nixflex => nixflex::number_of(world, request),
        }
    }

    /// Does what the request asks, and answers it.
    pub(super) fn handle(self, world: &mut Simulation, request: &Request) -> Reply {
        match self {
            Self::Twilio => twilio::handle(world, request),
            Self::Telnyx => telnyx::handle(world, request),
            Self::Flowyte => flowyte::handle(world, request),
            Self::Nixflex => nixflex::handle(world, request),
        }
    }

    /// A refusal with the carrier's own code.
    pub(super) fn refused(self, status: u16, code: i64, message: &str) -> Reply {
        match self {
            Self::Twilio => twilio::refused(&twilio::Refusal { status, code, message: message.to_owned() }),
            Self::Telnyx => telnyx::refused(&telnyx::Refusal::new(status, code, message)),
            // Its codes are words, and follow from the status.
            Self::Flowyte => flowyte::refused(&flowyte::Refusal::of_status(status, message)),
            // Its codes are texts.
            Self::Nixflex => nixflex::refused(&nixflex::Refusal::of_status(status, message)),
        }
    }

    /// The same where the carrier's codes are texts.
    pub(super) fn refused_as(self, status: u16, code: &str, message: &str) -> Reply {
        match self {
            Self::Twilio | Self::Telnyx => self.refused(status, code.parse().unwrap_or_default(), message),
            Self::Flowyte => flowyte::refused(&flowyte::Refusal::of_status(status, message)),
            Self::Nixflex => nixflex::refused(&nixflex::Refusal::new(status, code, message)),
        }
    }

    /// Bad credentials.
    pub(super) fn unauthorized(self) -> Reply {
        match self {
            Self::Twilio => self.refused(401, 20003, "Authenticate"),
            Self::Telnyx => telnyx::refused(&telnyx::unauthorized()),
            Self::Flowyte => flowyte::refused(&flowyte::unauthorized()),
            Self::Nixflex => self.refused(401, 0, "Invalid API key"),
        }
    }

    /// Something that is not there.
    pub(super) fn not_found(self) -> Reply {
        let code = match self {
            Self::Twilio => 20404,
            Self::Telnyx => telnyx::NOT_FOUND,
            Self::Flowyte => 404,
            Self::Nixflex => 0,
        };
        self.refused(404, code, "The requested resource was not found")
    }

    /// A failure of the carrier's own.
    pub(super) fn server_error(self, status: u16) -> Reply {
        let code = match (self, status) {
            (Self::Twilio, 503) => 20503,
            (Self::Twilio, _) => 20500,
            (Self::Telnyx, 503) => 10037,
            (Self::Telnyx, 504) => 10008,
            (Self::Telnyx, _) => 10007,
            (Self::Flowyte, status) => i64::from(status),
            (Self::Nixflex, _) => 0,
        };
        self.refused(status, code, "Internal Server Error")
    }

    /// More requests than it takes.
    pub(super) fn too_many(self, wait_seconds: Option<u64>) -> Reply {
        match self {
            Self::Twilio => {
                let mut reply = self.refused(429, 20429, "Too many concurrent requests");
                reply.headers.extend(wait_seconds.map(|seconds| ("retry-after", seconds.to_string())));
                reply
            }
            Self::Telnyx => telnyx::too_many(wait_seconds),
            Self::Flowyte => flowyte::too_many(wait_seconds),
            Self::Nixflex => nixflex::too_many(wait_seconds),
        }
    }

    /// What stands on every answer. `concurrent` is how many requests of the account are in hand.
    pub(super) fn finish(self, reply: &mut Reply, concurrent: usize) {
        match self {
            Self::Twilio => reply.headers.push(("twilio-concurrent-requests", concurrent.to_string())),
            Self::Telnyx => telnyx::rate_limited(reply, None),
            Self::Flowyte => flowyte::rate_limited(reply, None),
            Self::Nixflex => nixflex::finish(reply),
        }
    }

    /// A number as the carrier's API shows it.
    pub(super) fn shown(self, world: &Simulation, number: &Number, switches: &Switches) -> Value {
        match self {
            Self::Twilio => twilio::shown(number, switches.unset),
            Self::Telnyx => telnyx::shown(world, number),
            Self::Flowyte => flowyte::shown(world, number),
            Self::Nixflex => Value::Null,
        }
    }

    /// Whether a number has a field of this name that a person could edit.
    pub(super) fn is_field(self, field: &str) -> bool {
        match self {
            Self::Twilio => twilio::is_field(field),
            Self::Telnyx => telnyx::is_field(field),
            Self::Flowyte => flowyte::is_field(field),
            Self::Nixflex => false,
        }
    }

    /// The id of an account, made of 32 hexadecimal digits.
    pub(super) fn account_id(self, hex: &str) -> String {
        match self {
            Self::Twilio => format!("AC{hex}"),
            Self::Telnyx | Self::Flowyte => uuid(hex),
            Self::Nixflex => format!("nxf_{hex}"),
        }
    }

    /// An account's id that somebody chose.
    pub(super) fn checked_account_id(self, sid: String) -> Result<String, String> {
        let hex = || sid.replace('-', "");
        match self {
            Self::Twilio if is_sid("AC", &sid) => Ok(sid),
            Self::Twilio => Err(format!("{sid:?} is not an account SID: write AC and 32 hexadecimal digits")),
            Self::Telnyx | Self::Flowyte if is_sid("", &hex()) && uuid(&hex()) == sid => Ok(sid),
            Self::Telnyx | Self::Flowyte => {
                Err(format!("{sid:?} does not name an account: write a UUID in small letters"))
            }
            Self::Nixflex if is_sid("nxf_", &sid) => Ok(sid),
            Self::Nixflex => Err(format!("{sid:?} is not the id of a key: write nxf_ and 32 hexadecimal digits")),
        }
    }

    /// An account's secret, made of 32 hexadecimal digits.
    pub(super) fn token(self, hex: &str) -> String {
        match self {
            Self::Twilio => hex.to_owned(),
            Self::Telnyx => format!("KEY{hex}"),
            Self::Flowyte => format!("{}live_{hex}", flowyte::KEY_PREFIX),
            Self::Nixflex => format!("nxfs_{hex}{}", hex32(hex)),
        }
    }

    /// The id of a number, made of 32 hexadecimal digits.
    pub(super) fn number_id(self, hex: &str) -> String {
        match self {
            Self::Twilio => format!("PN{hex}"),
            Self::Telnyx => telnyx::snowflake(hex),
            Self::Flowyte => uuid(hex),
            Self::Nixflex => hex.to_owned(),
        }
    }
}
