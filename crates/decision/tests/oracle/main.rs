//! The fast engine against the naive evaluator on random worlds: the same decision, whatever the question.
//!
//! Runs `TENANTRY_ORACLE_CASES` decisions (decimal; else 60 000) from `TENANTRY_ORACLE_SEED` (decimal; else fixed) on. A
//! difference is reduced to the few records that it takes, and printed with the seed of its world.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod models;
mod random;
mod reach;
mod worlds;

use std::collections::BTreeMap;

use decision::{
    decide::decide,
    decision::{Decision, Invalid, Outcome, Query, Reason},
    explain::explain,
    name::{Principal, RoleOwner, Sponsor},
    oracle::{self, Oracle},
    record::{Binding, Record},
    view::View,
};
use random::Random;
use worlds::{NOW, World, random_documents, random_query, random_world};

/// Questions to a world as it was built, and once more after it was changed.
const QUESTIONS: usize = 400;
const QUESTIONS_AFTER_CHANGES: usize = 200;
/// Lists of the nodes on which somebody has a permission, each time.
const LISTS: usize = 6;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a decimal number, not `{text}`")))
}

#[test]
fn the_engine_decides_as_the_oracle_does_on_random_worlds() {
    let cases = from_environment("TENANTRY_ORACLE_CASES", 60_000) as usize;
    let first = from_environment("TENANTRY_ORACLE_SEED", 20_260_707);
    let worlds = cases.div_ceil(QUESTIONS + QUESTIONS_AFTER_CHANGES) as u64;
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8)) as u64;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    std::thread::scope(|scope| {
        let share = |thread| {
            let mut seen = BTreeMap::new();
            (first..first + worlds).skip(thread as usize).step_by(threads as usize).for_each(|seed| decide_one_world(seed, &mut seen));
            seen
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        for handle in handles {
            for (what, count) in handle.join().unwrap_or_else(|difference| std::panic::resume_unwind(difference)) {
                *seen.entry(what).or_default() += count;
            }
        }
    });
    let done = seen.remove("decisions").unwrap_or_default();
    println!("{done} decisions: {seen:#?}");
    // What a run of this size must have met, so that agreement means something; in 1 of 10 000 decisions.
    let least = [
        ("invalid UnknownPermission", 5),
        ("invalid UnknownCollection", 5),
        ("invalid UnknownAttribute", 5),
        ("invalid AttributeType", 5),
        ("RESOURCE_UNKNOWN", 50),
        ("container RESOURCE_UNKNOWN", 10),
        ("PERMISSION_RETIRED", 20),
        ("NOT_AVAILABLE", 50),
        ("TYPE_NOT_APPLICABLE", 50),
        ("KIND_NOT_APPLICABLE", 50),
        ("USER_UNKNOWN", 50),
        ("USER_SUSPENDED", 50),
        ("RESOURCE_DELETED", 20),
        ("RESOURCE_SUSPENDED", 20),
        ("ACCOUNT_PAUSED", 10),
        ("ROLE_HOLDER_MISSING", 50),
        ("ABOVE_CEILING", 50),
        ("NO_GRANT", 500),
        ("CONDITIONAL", 30),
        ("ALLOW", 1200),
        ("with condition errors", 10),
        ("allowed upward", 3),
        ("allowed by implied roles alone", 10),
        ("allowed through a customer's border", 50),
        ("allowed at a distance", 300),
        ("allowed by a partnership", 30),
        ("allowed by an agency's workspace", 20),
        ("allowed to a group", 50),
        ("allowed to an organization", 50),
        ("allowed to anyone", 20),
        ("allowed by a custom role", 20),
        ("allowed by a role that requires another", 10),
        ("allowed under a condition", 20),
        ("allowed with a component map", 10),
        ("allowed before its expiry", 50),
        ("lists", 150),
        ("lists with something", 10),
        ("lists with something under a node", 2),
        ("allowed to a confined user", 20),
        ("NO_GRANT to a confined user", 50),
    ];
    for (what, of_ten_thousand) in least {
        let count = seen.get(what).copied().unwrap_or_default();
        assert!(count >= of_ten_thousand * done / 10_000, "{what}: only {count} of {done}; the worlds have become too tame");
    }
}

/// Builds a world, asks, changes it record by record, and asks again.
fn decide_one_world(seed: u64, seen: &mut BTreeMap<String, usize>) {
    let mut random = Random::from_seed(seed);
    let random = &mut random;
    let documents = random_documents(random);
    let mut world = random_world(random, documents.clone());
    let before = random_world(random, documents);
    let mut view = View::default();
    apply_in_any_order(random, &mut view, &world, &before);
    compare(seed, random, &view, &world, QUESTIONS, seen);

    // The same view, further on: things change, come and go.
    for _ in 0..25 {
        let at = random.below(world.records.len());
        let heavy = matches!(&world.records[at], Record::ModelRevision(_)) || world.records[at].key() == "organizations/agency";
        if random.chance(30) && (!heavy || random.chance(3)) {
            view.apply(&world.records.swap_remove(at).key(), None);
            continue;
        }
        let record = random.pick(&before.records).clone();
        view.apply(&record.key(), Some(record.clone()));
        world.records.retain(|old| old.key() != record.key());
        world.records.push(record);
    }
    compare(seed, random, &view, &world, QUESTIONS_AFTER_CHANGES, seen);
}

/// Every key's records in turn — another world's, a tombstone, this world's — with the keys mixed at random.
fn apply_in_any_order(random: &mut Random, view: &mut View, world: &World, before: &World) {
    let mut steps: BTreeMap<String, Vec<Option<Record>>> = BTreeMap::new();
    for record in before.records.iter().filter(|_| random.chance(30)) {
        steps.entry(record.key()).or_default().push(Some(record.clone()));
    }
    for list in steps.values_mut() {
        list.push(None);
    }
    for record in &world.records {
        let list = steps.entry(record.key()).or_default();
        if random.chance(50) {
            list.clear();
        }
        list.push(Some(record.clone()));
        if random.chance(10) {
            // Once more, as a feed may deliver it.
            list.push(Some(record.clone()));
        }
    }
    let mut order: Vec<String> = steps.iter().flat_map(|(key, list)| vec![key.clone(); list.len()]).collect();
    random.shuffle(&mut order);
    let mut steps: BTreeMap<String, std::vec::IntoIter<Option<Record>>> =
        steps.into_iter().map(|(key, list)| (key, list.into_iter())).collect();
    for key in order {
        let step = steps.get_mut(&key).unwrap().next().unwrap();
        view.apply(&key, step);
    }
}

fn compare(seed: u64, random: &mut Random, view: &View, world: &World, questions: usize, seen: &mut BTreeMap<String, usize>) {
    let oracle = Oracle::new(&world.records);
    for _ in 0..questions {
        let query = random_query(random, world);
        let expected = oracle.decide(&query, NOW).map(without_messages);
        let decided = decide(view, &query, NOW).map(without_messages);
        if decided != expected {
            report(seed, &world.records, &query, "decide()", &decided, &expected, |view, query| decide(view, query, NOW));
        }
        let explained = explain(view, &query, NOW).map(|explanation| without_messages(explanation.decision));
        if explained != expected {
            report(seed, &world.records, &query, "explain()", &explained, &expected, |view, query| {
                explain(view, query, NOW).map(|explanation| explanation.decision)
            });
        }
        *seen.entry("decisions".to_owned()).or_default() += 1;
        for what in kinds_of(&world.records, &query, &expected) {
            *seen.entry(what).or_default() += 1;
        }
    }
    reach::compare(seed, random, view, world, &oracle, LISTS, seen);
}

/// The texts of condition errors are for people, not part of the contract.
fn without_messages(mut decision: Decision) -> Decision {
    decision.condition_errors.iter_mut().for_each(|error| error.message.clear());
    decision
}

type Answer = Result<Decision, Invalid>;

/// Prints a difference with as few records as it takes, and fails.
fn report(
    seed: u64,
    records: &[Record],
    query: &Query,
    who: &str,
    found: &Answer,
    expected: &Answer,
    engine: impl Fn(&View, &Query) -> Answer,
) {
    let differs = |records: &[Record]| {
        let mut view = View::default();
        records.iter().for_each(|record| view.apply(&record.key(), Some(record.clone())));
        engine(&view, query).map(without_messages) != oracle::decide(records, query, NOW).map(without_messages)
    };
    let head = format!("world {seed}: {query:?}\n{who}: {found:?}\noracle: {expected:?}\n");
    if !differs(records) {
        panic!("{head}a view built afresh from the same records agrees: it is the incremental one that is wrong");
    }
    let mut few = records.to_vec();
    let mut at = 0;
    while at < few.len() {
        let without = few.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, record)| record.clone()).collect::<Vec<_>>();
        if differs(&without) {
            few = without;
        } else {
            at += 1;
        }
    }
    let mut text = String::new();
    for record in &few {
        match record {
            Record::ModelRevision(revision) => {
                text += &format!("revision {} of the model:\n{}\n", revision.revision, serde_json::to_string(&revision.document).unwrap());
            }
            other => text += &format!("{other:?}\n"),
        }
    }
    panic!("{head}with these {} records alone:\n{text}", few.len());
}

/// What a decision is an example of.
fn kinds_of(records: &[Record], query: &Query, decision: &Result<Decision, Invalid>) -> Vec<String> {
    let decision = match decision {
        Err(invalid) => {
            let kind = match invalid {
                Invalid::UnknownPermission { .. } => "UnknownPermission",
                Invalid::UnknownCollection { .. } => "UnknownCollection",
                Invalid::UnknownAttribute { .. } => "UnknownAttribute",
                Invalid::AttributeType { .. } => "AttributeType",
            };
            return vec![format!("invalid {kind}")];
        }
        Ok(decision) => decision,
    };
    let confined =
        records.iter().any(|record| matches!(record, Record::User(user) if user.name == query.user && user.confined_to.is_some()));
    let mut kinds = Vec::new();
    if confined && matches!(decision.outcome, Outcome::Deny(Reason::NoGrant)) {
        kinds.push("NO_GRANT to a confined user".to_owned());
    }
    if confined && matches!(decision.outcome, Outcome::Allow(_)) {
        kinds.push("allowed to a confined user".to_owned());
    }
    if !decision.condition_errors.is_empty() {
        kinds.push("with condition errors".to_owned());
    }
    match &decision.outcome {
        Outcome::Deny(Reason::NodeUnknown(_)) => kinds.push("container RESOURCE_UNKNOWN".to_owned()),
        Outcome::Deny(reason) => kinds.push(reason.code().to_owned()),
        Outcome::Conditional(_) => kinds.push("CONDITIONAL".to_owned()),
        Outcome::Allow(grant) => {
            let binding = records.iter().find_map(|record| match record {
                Record::Binding(binding) if binding.name == grant.binding => Some(binding),
                _ => None,
            });
            kinds.push("ALLOW".to_owned());
            kinds.extend(kinds_of_grant(records, query, binding.unwrap()).into_iter().map(|kind| format!("allowed {kind}")));
        }
    }
    kinds
}

fn kinds_of_grant(records: &[Record], query: &Query, binding: &Binding) -> Vec<&'static str> {
    let role = records.iter().find_map(|record| match record {
        Record::ModelRevision(revision) if revision.revision == 3 && binding.role.owner() == RoleOwner::Model(&revision.model) => {
            revision.document.roles.iter().find(|role| role.id == binding.role.id())
        }
        _ => None,
    });
    let below = binding.node.organization() == query.resource && binding.node != query.resource;
    let kinds = [
        (below, "upward"),
        (!below && role.is_some_and(|role| role.grants.is_empty()), "by implied roles alone"),
        (binding.node.organization() != query.resource.organization(), "through a customer's border"),
        (!below && binding.node != query.resource, "at a distance"),
        (matches!(binding.sponsor, Some(Sponsor::Partnership(_))), "by a partnership"),
        (matches!(binding.sponsor, Some(Sponsor::Workspace(_))), "by an agency's workspace"),
        (matches!(binding.principal, Principal::Group(_)), "to a group"),
        (matches!(binding.principal, Principal::Organization(_)), "to an organization"),
        (binding.principal == Principal::Anyone, "to anyone"),
        (matches!(binding.role.owner(), RoleOwner::Organization(_)), "by a custom role"),
        (role.is_some_and(|role| !role.requires.is_empty()), "by a role that requires another"),
        (binding.condition.is_some(), "under a condition"),
        (binding.components.is_some(), "with a component map"),
        (binding.expires.is_some(), "before its expiry"),
    ];
    kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind).collect()
}
