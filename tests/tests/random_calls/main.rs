//! Random calls on running services: nobody gains more than who gave it had the right to give, and no tenant learns of another.
//!
//! Between two calls the rows are read straight from the database; `rules` judges, with the naive oracle, whether the actor could make every difference, and
//! whether what anybody has gained is what the actor could give. `TENANTRY_SEED` repeats a run, `TENANTRY_CALLS` makes it longer.

mod calls;
mod maker;
mod rules;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use api::authz::v1::{BatchCheckRequest, Consistency, Query, Verdict, batch_check_response, consistency::Requirement};
use client::world::load;
use decision::{
    name::{NodeName, Principal, UserName},
    oracle::Oracle,
    record::{Record, Timestamp},
    world::WorldUser,
};
use tests::{
    installation::{Installation, Layout, PLATFORM, Store},
    rows::Rows,
    services::reason,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use calls::{Call, Dice, Sent, about, told};
use maker::Maker;
use rules::{Authority, Difference, Judge, differences, rank_in};
use world::{Access, Moment, Place, Rank, TENANT_IDS, is_of, tenants};

/// On each store. `TENANTRY_CALLS` makes it more.
const CALLS: usize = 10_000;
/// In one set of tenants; then there are new ones, for names are not used again and things are used up.
const CALLS_OF_A_SET: usize = 500;
/// So many are made between two comparisons of everything.
const BETWEEN_REVIEWS: usize = 250;

type Records = BTreeMap<String, Record>;

/// Everybody's access, as far as it is known at this moment.
type Known = HashMap<Place, Access>;

fn number_of(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(now.as_micros()).expect("before 294247"))
}

/// A run on one installation.
struct Run {
    installation: Installation,
    rows: Rows,
    dice: Dice,
    number: usize,
    fresh: usize,
    emails: BTreeMap<UserName, String>,
    /// In the order in which they were sent, with who sent each.
    sent: Vec<Sent>,
    inviters: HashMap<String, String>,
    outcomes: BTreeMap<&'static str, (usize, usize)>,
    refusals: BTreeMap<(&'static str, String), usize>,
    gains: usize,
    probes: usize,
}

#[derive(Default)]
struct Snapshot {
    records: Records,
    list: Vec<Record>,
}

impl Snapshot {
    fn of(records: Records) -> Self {
        Self { list: records.values().cloned().collect(), records }
    }
}

impl Run {
    async fn start(installation: Installation, seed: u64) -> Self {
        let rows = Rows::open(&installation.place()).await;
        Self {
            installation,
            rows,
            dice: Dice(seed),
            // So long that no other number has it in it.
            number: 1_000,
            fresh: 0,
            emails: BTreeMap::new(),
            sent: Vec::new(),
            inviters: HashMap::new(),
            outcomes: BTreeMap::new(),
            refusals: BTreeMap::new(),
            gains: 0,
            probes: 0,
        }
    }

    async fn snapshot(&self) -> Snapshot {
        let number = self.number;
        Snapshot::of(self.rows.records(&format!("%{number}%")).await.into_iter().filter(|(key, _)| is_of(key, number)).collect())
    }

    async fn calls(&mut self, calls: usize) {
        let models = self.rows.models().await;
        let list: Vec<Record> = models.values().cloned().collect();
        let oracle = Oracle::new(&list);
        let mut made = 0;
        while made < calls {
            self.number += 1;
            self.fresh = 0;
            let tenants = tenants(self.number);
            let address = |user: &WorldUser| Some((UserName::parse(&format!("users/{}", user.id)).ok()?, user.email.clone()?));
            self.emails = tenants.users.iter().filter_map(address).collect();
            self.sent.clear();
            load(&self.installation.platform(), &tenants).await.expect("new tenants");
            let count = CALLS_OF_A_SET.min(calls - made);
            self.set(count, &oracle, &models).await;
            made += count;
        }
    }

    /// Calls in one set of tenants.
    async fn set(&mut self, count: usize, oracle: &Oracle<'_>, models: &Records) {
        let mut before = self.snapshot().await;
        let mut known = self.everything(&Moment::of(&before.records, &before.list, oracle, models, now()));
        for at in 0..count {
            let moment = Moment::of(&before.records, &before.list, oracle, models, now());
            let (actor, call) = self.make(&moment);
            if at % 5 == 0 {
                self.probe(&moment).await;
            }
            let answer = self.send(&actor, &call, &before).await;
            self.nothing_foreign_is_said(&moment, &actor, &call, &answer);
            let counted = self.outcomes.entry(call.method()).or_default();
            counted.0 += 1;
            if let Err(status) = &answer {
                *self.refusals.entry((call.method(), reason(status))).or_default() += 1;
                continue;
            }
            counted.1 += 1;
            let after = self.snapshot().await;
            if after.records != before.records {
                // What is accepted is given by whoever has sent the invitation.
                let authority = match &call {
                    Call::AcceptInvitation(request) => {
                        self.theirs(&actor, &request.token);
                        Authority::Inviting(self.inviters[&request.token].clone())
                    }
                    _ => Authority::Own(actor.clone()),
                };
                self.judge(&authority, &call, (&before, &after), &mut known, oracle, models);
                before = after;
            }
            if let Ok(answer) = &answer
                && let Some(sent) = Sent::from_answer(answer)
            {
                self.inviters.insert(sent.token.clone(), actor.clone());
                self.sent.push(sent);
            }
            if at % BETWEEN_REVIEWS == BETWEEN_REVIEWS - 1 {
                self.review(&Moment::of(&before.records, &before.list, oracle, models, now()), &known).await;
            }
        }
        self.review(&Moment::of(&before.records, &before.list, oracle, models, now()), &known).await;
    }

    /// Whom one of the latest invitations is for, if that is a user.
    fn latest_invitee(&mut self) -> Option<UserName> {
        let latest = self.sent.get(self.sent.len().saturating_sub(5)..)?;
        let sent = self.dice.pick(latest)?;
        self.emails.iter().find(|(_, email)| **email == sent.email).map(|(user, _)| user.clone())
    }

    /// The token of one of the latest invitations, whomever it is for.
    fn latest_token(&mut self) -> Option<String> {
        let latest = self.sent.get(self.sent.len().saturating_sub(5)..)?;
        self.dice.pick(latest).map(|sent| sent.token.clone())
    }

    fn make(&mut self, moment: &Moment<'_>) -> (String, Call) {
        let users = moment.users();
        // Whoever can do much makes half of the calls.
        let number = self.number;
        let mighty: Vec<UserName> = ["ann", "amy", "art", "ava", "bob", "nia", "ned", "cam", "owen", "gary"]
            .iter()
            .filter_map(|id| UserName::parse(&format!("users/{id}{number}")).ok())
            .collect();
        let from = if self.dice.percent(70) { &mighty } else { &users };
        let mut actor = self.dice.pick(from).cloned().expect("somebody");
        // What only one person can do would else hardly ever be done.
        let invited = self.dice.percent(4).then(|| self.latest_invitee()).flatten();
        let moving = self.dice.percent(3);
        // Who has seen somebody else's token tries it.
        let stolen = self.dice.percent(2).then(|| self.latest_token()).flatten();
        if let Some(invitee) = &invited {
            actor = invitee.clone();
        } else if moving {
            let mover = if self.dice.percent(50) { "cam" } else { "nia" };
            actor = UserName::parse(&format!("users/{mover}{number}")).expect("a user");
        }
        let homes: Vec<NodeName> = moment.homes(&actor).into_iter().collect();
        let home = self.dice.pick(&homes).cloned();
        let (emails, sent) = (&self.emails, &self.sent);
        let mut maker = Maker { dice: &mut self.dice, now: moment, number, fresh: &mut self.fresh, home, actor: &actor, emails, sent };
        let call = match invited {
            _ if stolen.is_some() => maker.accept_by(stolen.unwrap_or_default()),
            Some(_) => maker.accept(),
            None if moving => maker.move_organization(),
            None => maker.make(),
        };
        // What only the platform does, it does mostly.
        let chance = if matches!(call, Call::CreateUser(_) | Call::SuspendUser(_) | Call::ReactivateUser(_)) { 60 } else { 6 };
        (if self.dice.percent(chance) { PLATFORM.to_owned() } else { actor.to_string() }, call)
    }

    /// Makes a call; sometimes it is validated before, which must say the same and change nothing, and sometimes made twice, which must change nothing more.
    async fn send(&mut self, actor: &str, call: &Call, before: &Snapshot) -> Result<String, Status> {
        let session = self.installation.on_behalf_of(actor);
        if self.dice.percent(8)
            && let Some(validated) = call.validated()
        {
            let dry = validated.send(&session).await;
            assert!(self.snapshot().await.records == before.records, "validating {call:?} for {actor} changed something");
            let wet = call.send(&session).await;
            let verdict = |answer: &Result<String, Status>| answer.as_ref().map(drop).map_err(|status| (status.code(), reason(status)));
            assert_eq!(verdict(&dry), verdict(&wet), "{actor}: {call:?}");
            return wet;
        }
        if self.dice.percent(8) {
            let id = uuid::Uuid::new_v4().to_string();
            if let Some(repeatable) = call.repeatable(&id) {
                let first = repeatable.send(&session).await;
                if first.is_ok() {
                    let between = self.snapshot().await;
                    let second = repeatable.send(&session).await;
                    // The token is in the first answer only.
                    let without_token = |answer: &String| match Sent::from_answer(answer) {
                        Some(sent) => answer.replace(&sent.token, ""),
                        None => answer.clone(),
                    };
                    let again = second.unwrap_or_else(|status| panic!("{actor}: {call:?}: {status:?}"));
                    assert_eq!(first.as_ref().map(without_token).ok(), Some(again), "{actor}: {call:?}");
                    assert!(self.snapshot().await.records == between.records, "repeating {call:?} for {actor} changed something");
                }
                return first;
            }
        }
        let answer = call.send(&session).await;
        if let Err(status) = &answer {
            let fault = matches!(status.code(), Code::Internal | Code::Unknown | Code::Unimplemented | Code::DeadlineExceeded);
            assert!(!fault, "{actor}: {call:?}: {status:?}");
        }
        answer
    }

    /// That a token is good for nobody but whom it was sent to, and only the latest.
    fn theirs(&self, actor: &str, token: &str) {
        let sent = self.sent.iter().find(|sent| sent.token == token).unwrap_or_else(|| panic!("{actor} has accepted what nobody sent"));
        let own = UserName::parse(actor).ok().and_then(|actor| self.emails.get(&actor));
        assert_eq!(own, Some(&sent.email), "{actor} has accepted somebody else's invitation {}", sent.name);
        let latest = self.sent.iter().rev().find(|other| other.name == sent.name).expect("itself");
        assert_eq!(latest.token, token, "{actor} has accepted {} by a token that was replaced", sent.name);
    }

    /// Whether there was authority for what was done.
    fn judge(
        &mut self,
        authority: &Authority,
        call: &Call,
        (before, after): (&Snapshot, &Snapshot),
        known: &mut Known,
        oracle: &Oracle<'_>,
        models: &Records,
    ) {
        let different = differences(&before.records, &after.records);
        let shells = with_shells(&before.records, &different);
        let at = now();
        let was = Moment::of(&before.records, &before.list, oracle, models, at);
        let base = Moment::of(&shells.records, &shells.list, oracle, models, at);
        let is = Moment::of(&after.records, &after.list, oracle, models, at);
        let concerned = concerned(&different, &was, &is);
        let platform = authority.actor() == PLATFORM;
        let actor = UserName::parse(authority.actor()).expect("a user");
        let inviting = matches!(authority, Authority::Inviting(_));
        let judge = Judge { actor: &actor, inviting, before: &was, base: &base, after: &is, differences: &different };
        let bounds = match judge.changes() {
            Ok(bounds) => bounds,
            Err(_) if platform => BTreeMap::new(),
            Err(why) => panic!("{call:?}\n{why}"),
        };
        for place in concerned {
            let access = is.access(&place);
            let had = known.get(&place);
            for (permission, gained) in &access {
                if gained.0 <= rank_in(had, permission) {
                    continue;
                }
                self.gains += 1;
                if !platform {
                    let actors = || base.rank(&actor, permission, &place.1).0;
                    judge.gain(&bounds, &place, permission, gained, actors).unwrap_or_else(|why| panic!("{call:?}\n{why}"));
                }
            }
            known.insert(place, access);
        }
    }

    /// Everybody's access to everything.
    fn everything(&self, moment: &Moment<'_>) -> Known {
        let mut known = Known::new();
        for user in moment.users() {
            for node in moment.nodes() {
                let place = (user.clone(), node.clone());
                known.insert(place.clone(), moment.access(&place));
            }
        }
        known
    }

    /// What is known of everybody's access is what it is, decisions agree with it, and no invariant is broken.
    async fn review(&mut self, moment: &Moment<'_>, known: &Known) {
        let ranks = |access: Option<&Access>| -> BTreeMap<String, Rank> {
            access.into_iter().flatten().map(|(permission, (rank, _))| (permission.clone(), *rank)).collect()
        };
        let all = self.everything(moment);
        for (place, access) in &all {
            assert_eq!(ranks(known.get(place)), ranks(Some(access)), "{place:?} has changed by something that does not concern it");
        }
        self.decisions_agree(&all).await;
        self.no_invariant_is_broken().await;
    }

    async fn decisions_agree(&mut self, all: &Known) {
        let places: Vec<&Place> = all.keys().filter(|(_, node)| node.is_container()).collect();
        let mut queries = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..200 {
            let Some(place) = self.dice.pick(&places) else { return };
            let access = &all[*place];
            let permissions: Vec<&String> = access.keys().collect();
            let other = ["accounts.get", "members.update", "access.get", "organization.update"][self.dice.roll(4)].to_owned();
            let permission =
                if self.dice.percent(60) { self.dice.pick(&permissions).map_or(other, |known| (*known).clone()) } else { other };
            expected.push((*place, permission.clone(), rank_in(Some(access), &permission)));
            queries.push(Query { user: place.0.to_string(), permission, resource: place.1.to_string(), ..Default::default() });
        }
        let consistency = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)), max_staleness_ms: 0 });
        let request = BatchCheckRequest { queries, consistency };
        let answer = self.installation.session().checks().batch_check(request).await.expect("decisions").into_inner();
        for ((place, permission, rank), result) in expected.into_iter().zip(answer.results) {
            let Some(batch_check_response::result::Result::Decision(decision)) = result.result else { continue };
            let decided = match decision.verdict() {
                Verdict::Allow => Rank::Allow,
                Verdict::Conditional => Rank::Conditional,
                Verdict::Deny | Verdict::Unspecified => Rank::Deny,
            };
            assert_eq!(decided, rank, "{place:?} {permission}");
        }
    }

    async fn no_invariant_is_broken(&self) {
        let violations = tests::invariants::violations(&self.installation.platform()).await;
        assert!(violations.is_empty(), "{violations:#?}");
    }

    /// No answer names a tenant that is none of the actor's business, nor anybody in it, but by what the call itself names.
    fn nothing_foreign_is_said(&self, moment: &Moment<'_>, actor: &str, call: &Call, answer: &Result<String, Status>) {
        if actor == PLATFORM {
            return;
        }
        let actor = UserName::parse(actor).expect("a user");
        let mut known = moment.known_to(&actor);
        // Whoever is invited has been told where.
        let invited = self.sent.iter().filter(|sent| self.emails.get(&actor) == Some(&sent.email));
        known.extend(invited.filter_map(|sent| NodeName::parse(sent.name.split("/invitations/").next()?).ok()));
        let asked = format!("{call:?}");
        let said = match answer {
            Ok(answer) => answer.clone(),
            Err(status) => told(status),
        };
        for id in TENANT_IDS.map(|id| format!("{id}{}", self.number)) {
            let is_known = known.iter().any(|organization| organization.id() == id);
            for mark in [format!("organizations/{id}"), format!("mark-{id}"), format!("@{id}.example")] {
                let own = moment.users().iter().any(|user| *user == actor && mark.starts_with('@'));
                if !is_known && !own && said.contains(&mark) && !asked.contains(&mark) {
                    panic!("{actor} has nothing to do with {id}, and is told of it: {asked}\n{said}");
                }
            }
        }
    }

    /// What is another tenant's looks to a stranger like what is not there.
    async fn probe(&mut self, moment: &Moment<'_>) {
        let users = moment.users();
        let keys: Vec<&String> = moment.records.keys().filter(|key| key.starts_with("organizations/")).collect();
        let (Some(actor), Some(key)) = (self.dice.pick(&users).cloned(), self.dice.pick(&keys)) else { return };
        // Of a membership in a group, the group.
        let name = key.split('#').next().unwrap_or_default().to_owned();
        let tenant = name.split('/').take(2).collect::<Vec<_>>().join("/");
        if moment.known_to(&actor).iter().any(|known| known.as_str() == tenant) {
            return;
        }
        let other = if self.dice.percent(50) { format!("{name}-not") } else { name.replacen(&tenant, &format!("{tenant}-not"), 1) };
        let session = self.installation.on_behalf_of(actor.as_str());
        let stranger = UserName::parse(&format!("users/ann{}", self.number)).expect("a user");
        for (there, missing) in about(&name, &stranger).into_iter().zip(about(&other, &stranger)) {
            self.probes += 1;
            let (one, two) = (there.send(&session).await, missing.send(&session).await);
            assert_eq!(shape(&one, &name), shape(&two, &other), "{actor} can tell whether it is there: {there:?}");
        }
    }
}

/// What an answer says, but for the name that was asked for.
fn shape(answer: &Result<String, Status>, name: &str) -> Result<(), (Code, String, String, BTreeMap<String, String>)> {
    let organization = name.split('/').take(2).collect::<Vec<_>>().join("/");
    let masked = |text: &str| text.replace(name, "<name>").replace(&organization, "<organization>");
    match answer {
        Ok(_) => Ok(()),
        Err(status) => {
            let info = status.get_details_error_info();
            let metadata = info.iter().flat_map(|info| &info.metadata).map(|(id, value)| (id.clone(), masked(value))).collect();
            Err((status.code(), reason(status), masked(status.message()), metadata))
        }
    }
}

/// Before a call, with the nodes that it has created, as they were made: who may give what in them is decided as if they were there. Of new organizations
/// also the members, for their first holders join with them.
fn with_shells(before: &Records, different: &[Difference<'_>]) -> Snapshot {
    let mut records = before.clone();
    let mut new = BTreeSet::new();
    for one in different {
        if let (None, Some(Record::Node(node))) = (one.before, one.after) {
            records.insert(one.key.to_owned(), Record::Node(node.clone()));
            new.insert(node.name.clone());
        }
    }
    for one in different {
        if let (None, Some(Record::Member(member))) = (one.before, one.after)
            && new.contains(&member.name.organization())
        {
            records.insert(one.key.to_owned(), Record::Member(member.clone()));
        }
    }
    Snapshot::of(records)
}

/// Whose access to what can be another by this; too much does no harm, and what is left out is found by a review.
fn concerned(different: &[Difference<'_>], was: &Moment<'_>, is: &Moment<'_>) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    let users = is.users();
    let nodes = is.nodes();
    let mut add = |who: &dyn Fn(&UserName) -> bool, what: &dyn Fn(&NodeName) -> bool| {
        let nodes: Vec<&NodeName> = nodes.iter().filter(|node| what(node)).collect();
        for user in users.iter().filter(|user| who(user)) {
            places.extend(nodes.iter().map(|node| (user.clone(), (*node).clone())));
        }
    };
    // Where a permission needs that somebody holds a role, everybody's access hangs on those who do.
    let hangs_on_others = |node: &NodeName| is.hangs_on_others(node);
    for record in different.iter().flat_map(|one| one.before.into_iter().chain(one.after)) {
        match record {
            Record::Binding(binding) => {
                let root = is.root(&binding.node);
                let opens = is.opens(binding);
                let reaches = |user: &UserName| opens || was.reaches(binding, user) || is.reaches(binding, user);
                let direct = matches!(&binding.principal, Principal::User(_));
                add(&|user| if direct || opens { reaches(user) } else { true }, &|node| is.root(node) == root);
            }
            Record::Member(member) => {
                add(&|user| user.id() == member.name.id(), &|_| true);
                add(&|_| true, &hangs_on_others);
            }
            Record::User(user) => {
                add(&|other| *other == user.name, &|_| true);
                add(&|_| true, &hangs_on_others);
            }
            Record::GroupEdge(edge) => {
                let home = edge.group.organization();
                add(&|_| true, &hangs_on_others);
                add(&|user| was.homes(user).contains(&home) || is.homes(user).contains(&home), &|_| true);
            }
            Record::Partnership(partnership) => {
                let root = is.root(&partnership.node);
                add(&|_| true, &|node| is.root(node) == root);
            }
            Record::CustomRole(role) => {
                let home = role.name.to_string();
                add(&|_| true, &|node| home.starts_with(&format!("{}/", node.organization())));
            }
            Record::Node(node) => {
                let home = node.name.organization();
                add(&|_| true, &|other| *other == home || was.is_below(other, &node.name) || is.is_below(other, &node.name));
            }
            Record::ModelRevision(_) => {}
        }
    }
    places
}

async fn random_calls(installation: Installation, salt: u64) {
    let seed = number_of("TENANTRY_SEED", 0x7e4a_4719) ^ salt;
    let calls = usize::try_from(number_of("TENANTRY_CALLS", CALLS as u64)).expect("a number of calls");
    println!("TENANTRY_SEED={}: {calls} calls", seed ^ salt);
    let mut run = Run::start(installation, seed).await;
    run.calls(calls).await;
    let done: usize = run.outcomes.values().map(|(_, done)| done).sum();
    for (method, (made, done)) in &run.outcomes {
        let why: Vec<String> =
            run.refusals.iter().filter(|((of, _), _)| of == method).map(|((_, why), count)| format!("{why} {count}")).collect();
        println!("{method:24} {made:6} {done:6}  {}", why.join(", "));
    }
    println!("{calls} calls, {done} done, {} gains judged, {} probes for what is foreign", run.gains, run.probes);
    // A run in which everything is refused shows nothing.
    let silent: Vec<_> = run.outcomes.iter().filter(|(_, (made, done))| *made > 200 && *done == 0).map(|(method, _)| *method).collect();
    assert!(calls < CALLS || silent.is_empty(), "never done: {silent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gains_what_the_actor_could_not_give_on_sqlite() {
    random_calls(Installation::start(Layout::One, Store::Sqlite), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gains_what_the_actor_could_not_give_on_postgres() {
    let store = Store::postgres().await;
    random_calls(Installation::start(Layout::AuthzApart, store), 2).await;
}
