//! What is looked at: which objects, carriers and replicas there are, and what may go wrong how often.

use super::{
    attempts,
    mutants::Mutant,
    state::{Budget, Identity},
};

/// What the carrier does when it is asked to sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A number that is ours already is sold again, which changes nothing.
    Updates,
    /// A number that is ours already is not available.
    Refuses,
    /// A purchase is an order that is finished some time later, or fails.
    Orders,
    /// A number that is ours already is not available, and numbers bear no marker.
    Unmarked,
    /// They bear none, the same purchase sent twice is answered twice and made once, and a number that is seen to be ours counts as bought.
    Replays,
}

impl Carrier {
    pub fn marks(self) -> bool {
        !matches!(self, Carrier::Unmarked | Carrier::Replays)
    }
}

/// What comes before a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    Nothing,
    /// The carrier keeps the number for a while.
    Hold,
    /// The same, and a person is asked.
    HoldAndAsk,
}

/// In whose namespace the third object is, where numbers are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// In the one that the others are in.
    Same,
    /// In another one, on the same account.
    OtherNamespace,
    /// In another one, with an account of its own, which says that it owns every number.
    OtherAccount,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub carrier: Carrier,
    pub keeps: Keeps,
    pub replicas: usize,
    /// What each object buys a number for.
    pub objects: &'static [Identity],
    pub numbers: usize,
    pub budget: Budget,
    /// Whether everybody takes an idle number before buying one. The first number is one then: it was bought for the first
    /// object's identity, and that object is gone.
    pub pool: bool,
    /// Whether each identity is in a namespace of its own, all under the same name.
    pub tenants: bool,
    /// Whether the first objects come with our finalizer, as manifests do that were saved from a cluster.
    pub finalized: bool,
    /// Whether nothing but the objects themselves comes to another cluster.
    pub bare: bool,
    /// Whether the account has a number from the beginning that was bought by hand.
    pub stranger: bool,
    /// How many numbers the account lets everybody buy in all, where it says so. Only for one replica.
    pub limit: Option<u8>,
    /// Where numbers are imported and routed, and none is bought: in whose namespace the third object is.
    pub imports: Option<Tenancy>,
    /// Whether one replica leads, and knows that somebody led before. Otherwise all act, as when a lease is lost and not noticed, and
    /// what comes late may stay behind.
    pub leads: bool,
    pub mutant: Option<Mutant>,
}

impl Scenario {
    /// Whether the carrier lets go of what it keeps.
    pub fn lets_go(&self) -> bool {
        self.keeps != Keeps::Nothing && self.carrier == Carrier::Refuses
    }

    pub fn identities(&self) -> usize {
        self.objects.iter().max().map_or(0, |last| usize::from(*last) + 1)
    }

    pub fn routes(&self) -> bool {
        self.imports.is_some()
    }

    /// Whether an object is in another namespace than the others.
    pub fn is_tenant(&self, identity: Identity) -> bool {
        identity == 2 && !matches!(self.imports, None | Some(Tenancy::Same))
    }

    /// The same of one that has an account of its own.
    pub fn is_elsewhere(&self, identity: Identity) -> bool {
        identity == 2 && self.imports == Some(Tenancy::OtherAccount)
    }
}

const CARRIERS: [Carrier; 3] = [Carrier::Updates, Carrier::Refuses, Carrier::Orders];

/// Those whose numbers bear no marker.
const UNMARKED: [Carrier; 2] = [Carrier::Unmarked, Carrier::Replays];

/// Those that hold numbers refuse what is ours already.
const THAT_HOLD: [Carrier; 2] = [Carrier::Refuses, Carrier::Orders];

/// One in which nothing goes wrong, with two replicas and two numbers.
pub const CALM: Scenario = Scenario {
    carrier: Carrier::Updates,
    keeps: Keeps::Nothing,
    replicas: 2,
    objects: &[0],
    numbers: 2,
    budget: Budget::NOTHING,
    pool: false,
    tenants: false,
    finalized: false,
    bare: false,
    stranger: false,
    limit: None,
    imports: None,
    leads: false,
    mutant: None,
};

/// What is looked at in random walks: how many objects of which identities there are, how many numbers, and what may go wrong how
/// often.
pub fn buying() -> Vec<(&'static str, Scenario)> {
    let calm = Budget { attempts: 4, ..Budget::NOTHING };
    let cases = [
        ("requests lost, crashes and rivals", &[0][..], 2, Budget { crashes: 1, lost: 1, taken: 1, ..calm }),
        ("two objects of one identity", &[0, 0], 2, Budget { lost: 1, crashes: 1, deletions: 1, ..calm }),
        (
            "deleted, stripped, replaced and made again",
            &[0],
            2,
            Budget { lost: 1, crashes: 1, deletions: 1, creations: 1, stripped: 1, ..calm },
        ),
        ("status wiped", &[0], 2, Budget { lost: 1, crashes: 1, wiped: 1, taken: 1, ..calm }),
        ("restored from a backup", &[0], 2, Budget { lost: 1, crashes: 1, restores: 1, ..calm }),
        (
            "two identities, of which one is stripped and deleted",
            &[0, 1],
            2,
            Budget { lost: 1, deletions: 1, stripped: 1, ..calm },
        ),
        ("three numbers, two lost requests", &[0], 3, Budget { lost: 2, crashes: 1, taken: 2, ..calm }),
        (
            "two identities that want the same",
            &[0, 1],
            2,
            Budget { lost: 2, crashes: 1, deletions: 1, stripped: 1, taken: 1, ..calm },
        ),
    ];
    let pool = [
        ("an idle number that is wanted back", &[0, 1][..], 2, Budget { lost: 1, creations: 1, ..calm }),
        (
            "an idle number, whose object may come back, and two that may take it",
            &[0, 1, 2],
            3,
            Budget { lost: 1, crashes: 1, deletions: 1, creations: 2, ..calm },
        ),
        (
            "an idle number in a cluster that is restored",
            &[0, 1],
            2,
            Budget { lost: 1, crashes: 1, creations: 1, restores: 1, ..calm },
        ),
    ];
    let usual = Budget { lost: 1, crashes: 1, taken: 1, ..calm };
    let held = [
        ("numbers are held", Keeps::Hold, &[0][..], usual),
        ("two identities hold the same", Keeps::Hold, &[0, 1], Budget { lost: 2, ..usual }),
        ("held while a person is asked", Keeps::HoldAndAsk, &[0], Budget { wiped: 1, ..usual }),
        (
            "held, asked, deleted and made again",
            Keeps::HoldAndAsk,
            &[0],
            Budget { deletions: 1, creations: 1, stripped: 1, ..usual },
        ),
        ("held, and something else is wanted", Keeps::Hold, &[0], Budget { turns: 2, ..usual }),
        (
            "held, asked, and something else is wanted, deleted or restored",
            Keeps::HoldAndAsk,
            &[0],
            Budget { turns: 2, deletions: 1, creations: 1, restores: 1, ..usual },
        ),
    ];
    let mut all = Vec::new();
    let cases = cases.map(|case| (case, false)).into_iter().chain(pool.map(|case| (case, true)));
    for ((name, objects, numbers, budget), pool) in cases {
        all.extend(CARRIERS.map(|carrier| (name, Scenario { carrier, objects, numbers, budget, pool, ..CALM })));
    }
    for (name, keeps, objects, budget) in held {
        all.extend(THAT_HOLD.map(|carrier| (name, Scenario { carrier, keeps, objects, budget, ..CALM })));
    }
    for (name, objects, budget) in moved() {
        all.extend(CARRIERS.map(|carrier| (name, Scenario { carrier, objects, budget, ..CALM })));
    }
    let budget = Budget { lost: 1, crashes: 1, deletions: 1, creations: 1, stripped: 1, ..calm };
    all.extend(CARRIERS.map(|carrier| {
        ("two namespaces that use one name", Scenario { carrier, objects: &[0, 1], tenants: true, budget, ..CALM })
    }));
    for (name, model) in unmarked() {
        all.extend(UNMARKED.map(|carrier| (name, Scenario { carrier, ..model.clone() })));
    }
    let finalized = Scenario { finalized: true, budget: Budget { lost: 1, deletions: 1, ..calm }, ..CALM };
    all.push(("applied with our finalizer and deleted", finalized));
    let budget = Budget { lost: 1, crashes: 1, taken: 1, turns: 2, ..calm };
    let turned = Budget { turns: 4, taken: 1, ..calm };
    all.extend(CARRIERS.into_iter().flat_map(|carrier| {
        let limited = Scenario { carrier, objects: &[0, 1], numbers: 3, replicas: 1, limit: Some(1), budget, ..CALM };
        [
            (
                "two that may buy one number between them and change their minds",
                Scenario { budget: turned, ..limited.clone() },
            ),
            ("two that may buy one number between them", limited),
        ]
    }));
    let budget = Budget { lost: 1, deletions: 1, creations: 1, ..calm };
    let ordered = Scenario { carrier: Carrier::Orders, replicas: 1, budget, ..CALM };
    all.push(("ordered, deleted and made again", ordered));
    all
}

/// Everything is applied to another cluster, with the records or in the middle of a purchase.
fn moved() -> [(&'static str, &'static [u8], Budget); 2] {
    let moved = Budget { attempts: 4, moves: 1, lost: 1, ..Budget::NOTHING };
    [
        ("applied to another cluster", &[0], moved),
        ("two identities, applied to another cluster", &[0, 1], Budget { deletions: 1, taken: 1, ..moved }),
    ]
}

/// What is looked at where numbers bear no marker: a person is asked, and has another number bought although it is asked about the right
/// one.
fn unmarked() -> [(&'static str, Scenario); 8] {
    let usual = Budget { attempts: 4, lost: 1, crashes: 1, ..Budget::NOTHING };
    let moved = Budget { moves: 1, crashes: 0, ..usual };
    let restored = Budget { restores: 1, taken: 1, ..usual };
    let of = |objects, budget| Scenario { objects, budget, ..CALM };
    let bare = |objects, budget| Scenario { bare: true, ..of(objects, budget) };
    [
        ("no markers", of(&[0, 1], Budget { lost: 2, taken: 1, ..usual })),
        ("no markers, made again", of(&[0], Budget { deletions: 1, creations: 1, stripped: 1, wiped: 1, ..usual })),
        (
            "no markers, restored",
            Scenario { numbers: 3, replicas: 1, ..of(&[0], Budget { lost: 0, crashes: 0, ..restored }) },
        ),
        ("no markers, two identities restored", Scenario { numbers: 3, ..of(&[0, 1], restored) }),
        (
            "no markers, a number bought by hand",
            Scenario { numbers: 3, replicas: 1, stranger: true, ..bare(&[0], Budget { lost: 0, ..moved }) },
        ),
        ("no markers, another cluster with the records", of(&[0], moved)),
        ("no markers, another cluster", Scenario { numbers: 3, ..bare(&[0], Budget { anothers: 1, ..moved }) }),
        ("no markers, two identities in another cluster", Scenario { numbers: 3, ..bare(&[0, 1], moved) }),
    ]
}

/// What is looked at to completion: a fault or two at a time.
pub fn small() -> Vec<(&'static str, Scenario)> {
    let calm = Budget { attempts: attempts(), ..Budget::NOTHING };
    let lost = Budget { lost: 1, ..calm };
    let faults = [
        ("two objects of one identity", &[0, 0][..], calm),
        ("a request is lost, and a crash", &[0], Budget { crashes: 1, ..lost }),
        ("a request is lost, and a rival", &[0], Budget { taken: 1, ..lost }),
        ("a request is lost, and the status wiped", &[0], Budget { wiped: 1, ..lost }),
        ("deleted", &[0], Budget { deletions: 1, ..calm }),
        ("stripped", &[0], Budget { stripped: 1, ..lost }),
        ("restored from a backup", &[0], Budget { restores: 1, ..calm }),
    ];
    // That an order is finished at any time later multiplies everything: two replicas have to wait for a larger run.
    let replicas =
        |carrier| if carrier == Carrier::Orders { attempts().saturating_sub(1).clamp(1, 2).into() } else { 2 };
    let again = Budget { deletions: 1, creations: 1, ..calm };
    let mut all = small_routing();
    for carrier in CARRIERS {
        let replicas = replicas(carrier);
        all.extend(
            faults.map(|(name, objects, budget)| (name, Scenario { carrier, replicas, objects, budget, ..CALM })),
        );
        all.push(("deleted and made again", Scenario { carrier, replicas: 1, budget: again, ..CALM }));
    }
    for carrier in THAT_HOLD {
        let held = Scenario { carrier, keeps: Keeps::Hold, replicas: replicas(carrier), budget: lost, ..CALM };
        all.extend([
            ("held, and a request is lost", held.clone()),
            ("held while a person is asked", Scenario { keeps: Keeps::HoldAndAsk, replicas: 1, ..held.clone() }),
        ]);
        let asked = Scenario { keeps: Keeps::HoldAndAsk, replicas: 1, ..held };
        all.extend([
            ("held, and something else is wanted", Scenario { budget: Budget { turns: 1, ..calm }, ..asked.clone() }),
            ("held, asked and deleted", Scenario { budget: Budget { deletions: 1, ..lost }, ..asked }),
        ]);
    }
    let budget = Budget { creations: 1, ..lost };
    all.push((
        "an idle number that is wanted back",
        Scenario { objects: &[0, 1], replicas: 1, pool: true, budget, ..CALM },
    ));
    let turned = Budget { turns: 1, taken: 1, ..calm };
    let limited = Scenario { objects: &[0, 1], replicas: 1, limit: Some(1), budget: turned, ..CALM };
    all.push(("two that may buy one number between them", limited));
    let moved = Scenario { budget: Budget { moves: 1, ..calm }, ..CALM };
    all.push(("applied to another cluster", moved.clone()));
    for carrier in UNMARKED {
        let alone = Scenario { carrier, replicas: 1, budget: lost, ..CALM };
        let again = Budget { restores: 1, taken: 1, attempts: attempts() + 1, ..calm };
        let bare = Scenario { bare: true, budget: Budget { moves: 1, ..lost }, ..alone.clone() };
        all.extend([
            ("no markers, restored", Scenario { budget: again, ..alone.clone() }),
            ("no markers, another cluster", bare.clone()),
            ("no markers, a number bought by hand", Scenario { stranger: true, ..bare }),
            ("no markers, two objects of one identity", Scenario { objects: &[0, 0], ..alone }),
        ]);
    }
    all
}

/// The same of numbers that are routed.
fn small_routing() -> Vec<(&'static str, Scenario)> {
    let of = |objects, replicas, budget| Scenario {
        carrier: Carrier::Unmarked,
        objects,
        replicas,
        numbers: 1,
        budget,
        imports: Some(Tenancy::Same),
        leads: true,
        ..CALM
    };
    let lost = Budget { lost: 1, ..Budget::NOTHING };
    let deleted = Budget { deletions: 1, ..Budget::NOTHING };
    // A request that comes late after another replica has taken over waits for a larger run.
    let handed = Budget { lost: attempts().saturating_sub(1), ..Budget::NOTHING };
    vec![
        ("routed and edited, and a request is lost", of(&[0], 1, Budget { edits: 1, ..lost })),
        ("routed and edited, and a crash", of(&[0], 1, Budget { edits: 1, crashes: 1, ..Budget::NOTHING })),
        ("routed and deleted, and a request is lost", of(&[0], 1, Budget { lost: 1, ..deleted })),
        ("routed by one replica and another", of(&[0], 2, handed)),
        ("two objects of one number", of(&[0, 1], 1, deleted)),
    ]
}

/// A few objects that want the same number, which the account has already: whoever holds its claim routes it.
pub fn routing(leads: bool) -> Vec<(&'static str, Scenario)> {
    let names = ["one namespace", "two namespaces", "two namespaces with an account each"];
    let tenancies = [Tenancy::Same, Tenancy::OtherNamespace, Tenancy::OtherAccount];
    let of = |tenancy| Scenario {
        carrier: Carrier::Unmarked,
        objects: &[0, 1, 2],
        budget: Budget::WITHOUT_END,
        imports: Some(tenancy),
        leads,
        ..CALM
    };
    names.into_iter().zip(tenancies.map(of)).collect()
}
