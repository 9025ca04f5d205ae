//! What can happen.

use super::{
    scenario::{Keeps, Scenario},
    state::{Identity, State},
};

/// What becomes of what a pass asks of the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Answered,
    /// No answer, to a look neither. A purchase may arrive later, or never; a route never does.
    Lost,
    /// Somebody else takes the number just before.
    Taken,
    /// A route is refused, and surely not set.
    Refused,
    /// It is set, and the answer is lost.
    AnswerLost,
    /// There is no answer, and it is set some time later, or never.
    Late,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A replica works on an object until one effect.
    Pass {
        replica: u8,
        slot: u8,
        fate: Fate,
    },
    /// A replica works on a claim until one effect.
    ClaimPass {
        replica: u8,
        number: u8,
        fate: Fate,
    },
    /// A replica works on the account: it settles who may buy, and then writes that.
    AccountPass,
    /// The caches of a replica catch up.
    SeeObject {
        replica: u8,
        slot: u8,
    },
    SeeJournal {
        replica: u8,
        identity: Identity,
    },
    SeeClaim {
        replica: u8,
        number: u8,
    },
    /// Too much time has passed to send by the last entry.
    Expire {
        replica: u8,
        identity: Identity,
    },
    /// The settling time has passed since a replica wrote its last entry.
    Settle {
        replica: u8,
        identity: Identity,
    },
    /// The settling time has passed since a replica began.
    Begin {
        replica: u8,
    },
    /// The settling time has passed since a replica found the holder of a claim gone.
    Orphan {
        replica: u8,
        number: u8,
    },
    Crash {
        replica: u8,
    },
    /// A request that is on its way arrives, or never does.
    Arrive {
        at: u8,
    },
    Drop {
        at: u8,
    },
    /// Listings catch up with a number.
    Show {
        number: u8,
    },
    /// An order is finished, well or not.
    Finish {
        number: u8,
    },
    Fail {
        number: u8,
    },
    /// Somebody else buys a number.
    Take {
        number: u8,
    },
    /// The carrier keeps a number no longer, or the clocks of the cluster say so: one comes before the other, or without it.
    Lapse {
        number: u8,
    },
    Late {
        number: u8,
    },
    /// A person approves what is offered.
    Approve {
        slot: u8,
    },
    Delete {
        slot: u8,
    },
    Create {
        slot: u8,
    },
    /// `kubectl replace`, or a person who takes the finalizer off.
    Strip {
        slot: u8,
    },
    WipeStatus {
        slot: u8,
    },
    Backup,
    /// etcd is restored from the backup, and everybody starts again.
    Restore,
    /// Every object is applied to a new cluster, as tools for backups do: with its name and spec, a new uid, and no status.
    Move,
    /// A person says that the number which was bought for an object before the move is its own.
    Say {
        slot: u8,
    },
    /// A person who is asked has another number bought.
    Another {
        slot: u8,
    },
    /// A person wants just this number from now on.
    Turn {
        slot: u8,
        number: u8,
    },
    /// Where numbers are routed: a replica works on an object for a while, undisturbed.
    Run {
        replica: u8,
        slot: u8,
    },
    /// A replica sees the agents, or the account's listing.
    SeeAgents {
        replica: u8,
    },
    List {
        replica: u8,
    },
    /// Another replica takes over.
    Lead {
        replica: u8,
    },
    Tick,
    /// Somebody changes a destination at the carrier.
    Foreign {
        number: u8,
        channel: u8,
        empty: bool,
    },
    /// The account can be used or no longer can.
    Account,
    Change {
        agent: u8,
        to: Change,
    },
    Edit {
        slot: u8,
        to: Edit,
    },
    /// A person deletes a claim; `force` takes its finalizer off as well.
    DeleteClaim {
        number: u8,
        force: bool,
    },
}

/// What becomes of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Publish,
    RollBack,
    /// It goes off the air, or comes back.
    Offline,
    /// It refuses the namespaces of the objects, or no longer does.
    Refuse,
}

/// What a person says of an object, or takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    Suspend,
    Observe,
    Report,
    OnDelete(u8),
    /// To an agent, or to none.
    Assign(u8),
    /// The account refuses its namespace, or no longer does.
    Refuse,
    Abandon,
    Request,
}

impl Scenario {
    /// Everything that can happen next where numbers are bought.
    pub fn of_buying(&self, s: &State, events: &mut Vec<Event>) {
        let (slots, numbers) = (0..s.cluster.objects.len() as u8, 0..s.lines.len() as u8);
        for replica in 0..s.replicas.len() as u8 {
            for slot in slots.clone() {
                events.push(Event::Pass { replica, slot, fate: Fate::Answered });
                if s.budget.lost > 0 {
                    events.push(Event::Pass { replica, slot, fate: Fate::Lost });
                }
                if s.budget.taken > 0 && self.keeps != Keeps::Nothing {
                    events.push(Event::Pass { replica, slot, fate: Fate::Taken });
                }
                events.push(Event::SeeObject { replica, slot });
            }
            for identity in 0..self.identities() as u8 {
                events.extend([
                    Event::SeeJournal { replica, identity },
                    Event::Expire { replica, identity },
                    Event::Settle { replica, identity },
                ]);
            }
            for number in numbers.clone() {
                events.push(Event::ClaimPass { replica, number, fate: Fate::Answered });
                events.push(Event::SeeClaim { replica, number });
                events.push(Event::Orphan { replica, number });
            }
            events.push(Event::Begin { replica });
            if s.budget.crashes > 0 {
                events.push(Event::Crash { replica });
            }
        }
        for at in 0..s.wire.len() as u8 {
            events.extend([Event::Arrive { at }, Event::Drop { at }]);
        }
        for number in numbers.clone() {
            events.extend([Event::Show { number }, Event::Finish { number }, Event::Fail { number }]);
            if s.budget.taken > 0 {
                events.push(Event::Take { number });
            }
            if self.keeps != Keeps::Nothing {
                events.extend([Event::Lapse { number }, Event::Late { number }]);
            }
        }
        for slot in slots {
            if self.keeps == Keeps::HoldAndAsk {
                events.push(Event::Approve { slot });
            }
            events.extend([
                Event::Delete { slot },
                Event::Create { slot },
                Event::Strip { slot },
                Event::WipeStatus { slot },
            ]);
            if s.budget.turns > 0 {
                events.extend(numbers.clone().map(|number| Event::Turn { slot, number }));
            }
            if s.moved || !self.carrier.marks() {
                events.push(Event::Say { slot });
            }
            if !self.carrier.marks() {
                events.push(Event::Another { slot });
            }
        }
        if self.limit.is_some() {
            events.push(Event::AccountPass);
        }
        if s.budget.moves > 0 {
            events.push(Event::Move);
        }
        if s.budget.restores > 0 {
            events.extend([Event::Backup, Event::Restore]);
        }
    }

    /// The same where they are routed.
    pub fn of_routing(&self, s: &State, events: &mut Vec<Event>) {
        const FATES: [Fate; 5] = [Fate::Answered, Fate::Refused, Fate::Lost, Fate::AnswerLost, Fate::Late];
        let fates = if s.budget.lost > 0 { &FATES[..] } else { &FATES[..1] };
        let (slots, numbers) = (0..s.cluster.objects.len() as u8, 0..s.lines.len() as u8);
        for replica in 0..s.replicas.len() as u8 {
            for slot in slots.clone() {
                events.extend(fates.iter().map(|fate| Event::Pass { replica, slot, fate: *fate }));
                events.push(Event::SeeObject { replica, slot });
            }
            for number in numbers.clone() {
                events.extend(fates.iter().map(|fate| Event::ClaimPass { replica, number, fate: *fate }));
                events.push(Event::SeeClaim { replica, number });
            }
            events.extend([Event::SeeAgents { replica }, Event::List { replica }]);
            events.extend((s.budget.crashes > 0).then_some(Event::Crash { replica }));
            let follows = s.routing.leader.is_some_and(|leader| leader != replica);
            events.extend(follows.then_some(Event::Lead { replica }));
        }
        events.extend((0..s.routing.wire.len() as u8).map(|at| Event::Arrive { at }));
        events.push(Event::Tick);
        for slot in slots.clone() {
            events.extend([Event::Create { slot }, Event::Delete { slot }, Event::Strip { slot }]);
        }
        if s.budget.edits == 0 {
            return;
        }
        events.push(Event::Account);
        for agent in 0..s.routing.agents.len() as u8 {
            let all = [Change::Publish, Change::RollBack, Change::Offline, Change::Refuse];
            events.extend(all.map(|to| Event::Change { agent, to }));
        }
        for number in numbers {
            for yes in [false, true] {
                events.extend((0..3).map(|channel| Event::Foreign { number, channel, empty: yes }));
                events.push(Event::DeleteClaim { number, force: yes });
            }
        }
        for slot in slots {
            let simple = [Edit::Suspend, Edit::Observe, Edit::Report, Edit::Refuse, Edit::Abandon, Edit::Request];
            let edits = simple.into_iter().chain((0..3).flat_map(|which| [Edit::OnDelete(which), Edit::Assign(which)]));
            events.extend(edits.map(|to| Event::Edit { slot, to }));
        }
    }

    /// What else can happen in a walk: a replica works for a while, undisturbed.
    pub fn of_walks(&self, s: &State, events: &mut Vec<Event>) {
        let slots = 0..s.cluster.objects.len() as u8;
        let runs = |replica| slots.clone().map(move |slot| Event::Run { replica, slot });
        events.extend((0..s.replicas.len() as u8).filter(|_| self.routes()).flat_map(runs));
    }
}

impl Event {
    /// Whether somebody changes what is wanted, or what leads where.
    pub fn is_edit(self) -> bool {
        use Event::{Account, Change, DeleteClaim, Edit, Foreign};
        matches!(self, Account | Change { .. } | DeleteClaim { .. } | Edit { .. } | Foreign { .. })
    }
}
