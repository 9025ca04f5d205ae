//! What can happen.

/// A small generator of numbers, the same for ever for one seed (splitmix64).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub fn below(&mut self, n: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n) as usize
    }
}

/// The events without which it would not fail any more.
pub fn shrunk<E: Clone>(mut events: Vec<E>, fails: impl Fn(&[E]) -> bool) -> Vec<E> {
    loop {
        let before = events.len();
        for at in (0..events.len()).rev() {
            let mut fewer = events.clone();
            fewer.remove(at);
            if fails(&fewer) {
                events = fewer;
            }
        }
        if events.len() == before {
            return events;
        }
    }
}

/// What becomes of a request to the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Fine,
    /// It is refused, and surely not done.
    Refused,
    /// It never arrives, and there is no answer.
    Lost,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// There is no answer, and it is done some time later.
    Late,
}

/// One thing that happens. `slot` is one of three PhoneNumbers, `number` one of two numbers.
#[derive(Clone, Debug)]
pub enum Event {
    /// A replica works on a PhoneNumber once: until one effect, or a status.
    Pass {
        replica: usize,
        slot: usize,
        fate: Fate,
    },
    /// A replica works on a claim once.
    ClaimPass {
        replica: usize,
        number: usize,
        fate: Fate,
    },
    /// A replica works on a PhoneNumber for a while, undisturbed.
    Run {
        replica: usize,
        slot: usize,
    },
    /// The caches of a replica catch up: with one PhoneNumber, one claim, the agents, or the account's listing.
    SeeObject {
        replica: usize,
        slot: usize,
    },
    SeeClaim {
        replica: usize,
        number: usize,
    },
    SeeAgents {
        replica: usize,
    },
    List {
        replica: usize,
    },
    /// A replica dies and starts again, or the other one takes over.
    Crash {
        replica: usize,
    },
    Lead {
        replica: usize,
    },
    Tick,
    /// A request that is on its way arrives.
    Arrive {
        which: usize,
    },
    /// Somebody changes a destination at the carrier.
    Foreign {
        number: usize,
        channel: usize,
        empty: bool,
    },
    /// The account can be used or no longer can.
    Account,
    Publish {
        agent: usize,
    },
    RollBack {
        agent: usize,
    },
    Offline {
        agent: usize,
    },
    AllowAgent {
        agent: usize,
    },
    Create {
        slot: usize,
    },
    Delete {
        slot: usize,
    },
    /// `kubectl replace`: without our finalizer.
    Replace {
        slot: usize,
    },
    Suspend {
        slot: usize,
    },
    Observe {
        slot: usize,
    },
    Report {
        slot: usize,
    },
    Policy {
        slot: usize,
        which: usize,
    },
    Assign {
        slot: usize,
        which: usize,
    },
    AllowAccount {
        slot: usize,
    },
    Abandon {
        slot: usize,
    },
    Request {
        slot: usize,
    },
    /// A person deletes a claim; `force` takes its finalizer off as well.
    DeleteClaim {
        number: usize,
        force: bool,
    },
}

impl Event {
    pub fn any(rng: &mut Rng) -> Self {
        let (replica, slot, number, agent) = (rng.below(2), rng.below(3), rng.below(3) / 2, rng.below(2));
        let fate = match rng.below(10) {
            0 => Fate::Refused,
            1 => Fate::Lost,
            2 => Fate::AnswerLost,
            3 | 4 => Fate::Late,
            _ => Fate::Fine,
        };
        match rng.below(100) {
            // What goes wrong between two versions needs versions: an agent is published about as often as a pass is run.
            0..20 => Event::Pass { replica, slot, fate },
            20..24 => Event::Publish { agent: 0 },
            24..34 => Event::ClaimPass { replica, number, fate },
            34..40 => Event::Run { replica, slot },
            40..46 => Event::SeeObject { replica, slot },
            46..51 => Event::SeeClaim { replica, number },
            51..54 => Event::SeeAgents { replica },
            54..57 => Event::List { replica },
            57..59 => Event::Crash { replica },
            59..61 => Event::Lead { replica },
            61..65 => Event::Tick,
            65..69 => Event::Arrive { which: rng.below(4) },
            69..73 => Event::Foreign { number, channel: rng.below(3), empty: rng.below(4) == 0 },
            73 => Event::Account,
            74..77 => Event::Publish { agent },
            77 => Event::RollBack { agent },
            78 => Event::Offline { agent },
            79 => Event::AllowAgent { agent },
            80..84 => Event::Create { slot },
            84..88 => Event::Delete { slot },
            88 => Event::Replace { slot },
            89 => Event::Suspend { slot },
            90 => Event::Observe { slot },
            91 => Event::Report { slot },
            92..94 => Event::Policy { slot, which: rng.below(3) },
            94..96 => Event::Assign { slot, which: rng.below(3) },
            96 => Event::AllowAccount { slot },
            97 => Event::Abandon { slot },
            98 => Event::Request { slot },
            _ => Event::DeleteClaim { number, force: rng.below(2) == 0 },
        }
    }
}
