//! What many do at the same moment, and what comes between a permit and its commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::directory::v1::*;
use client::{
    session::{Session, channel},
    world::load,
};
use decision::{
    record::{GroupMember, Record},
    world::World,
};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tests::{
    installation::{Installation, Layout, Place, Process, Store},
    invariants::violations,
    rows::Rows,
    services::reason,
    together::{all_at_once, counted},
};
use tonic::{Code, Status};
use uuid::Uuid;

const ACME: &str = "organizations/acme";
const SUPER_ADMIN: &str = "roleModels/ad-platform/roles/super-admin";
const ORG_ADMIN: &str = "roleModels/ad-platform/roles/org-admin";

/// Five super admins, and two who hold nothing.
const WORLD: &str = "
users: [u0, u1, u2, u3, u4, eve, fay]
organizations:
  - id: acme
    model: ad-platform
    members: [u0, u1, u2, u3, u4, eve]
    groups: [{ id: g0 }, { id: g1 }, { id: g2 }, { id: g3 }, { id: g4 }, { id: g5 }]
    bindings:
      - { id: b0, principal: u0, role: super-admin }
      - { id: b1, principal: u1, role: super-admin }
      - { id: b2, principal: u2, role: super-admin }
      - { id: b3, principal: u3, role: super-admin }
      - { id: b4, principal: u4, role: super-admin }
";

async fn loaded(installation: &Installation) -> BTreeMap<String, String> {
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    let loaded = load(&installation.platform(), &world).await.unwrap();
    (0..5).map(|at| format!("{ACME}/roleBindings/b{at}")).map(|name| (name.clone(), loaded.binding(&name).to_owned())).collect()
}

fn account(id: &str, request_id: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        parent: ACME.into(),
        account_id: id.into(),
        account: Some(Account { display_name: "An account".into(), ..Default::default() }),
        request_id: request_id.into(),
        ..Default::default()
    }
}

/// Active members who hold the role at the organization for good, by the rows.
async fn lasting_super_admins(rows: &Rows) -> usize {
    let records = rows.records("%").await;
    let lasts = |record: &&Record| match record {
        Record::Binding(binding) if binding.role.to_string() == SUPER_ADMIN && binding.expires.is_none() => {
            let user = binding.principal.to_string();
            let member = format!("{ACME}/members/{}", user.trim_start_matches("users/"));
            let active = |key: &str| match records.get(key) {
                Some(Record::User(user)) => !user.suspended,
                Some(Record::Member(member)) => !member.suspended,
                _ => false,
            };
            active(&user) && active(&member)
        }
        _ => false,
    };
    records.values().filter(lasts).count()
}

async fn a_super_admin_is_left(installation: Installation) {
    let bindings = loaded(&installation).await;
    let rows = Rows::open(&installation.place()).await;
    let outcomes = all_at_once(100, |at| {
        let user = at % 5;
        let binding = bindings[&format!("{ACME}/roleBindings/b{user}")].clone();
        let own = installation.on_behalf_of(&format!("users/u{user}"));
        let other = installation.on_behalf_of(&format!("users/u{}", (user + 1) % 5));
        let member = format!("{ACME}/members/u{user}");
        async move {
            match at / 5 % 5 {
                // Leaving.
                0 => own
                    .role_bindings()
                    .delete_role_binding(DeleteRoleBindingRequest { name: binding, ..Default::default() })
                    .await
                    .map(drop),
                1 => other
                    .role_bindings()
                    .delete_role_binding(DeleteRoleBindingRequest { name: binding, ..Default::default() })
                    .await
                    .map(drop),
                2 => {
                    let role_binding = RoleBinding { name: binding, role: ORG_ADMIN.into(), ..Default::default() };
                    let request = UpdateRoleBindingRequest { role_binding: Some(role_binding), ..Default::default() };
                    other.role_bindings().update_role_binding(request).await.map(drop)
                }
                3 => {
                    let member = Member { name: member, state: member::State::Suspended.into(), ..Default::default() };
                    other.members().update_member(UpdateMemberRequest { member: Some(member), ..Default::default() }).await.map(drop)
                }
                _ => other.members().delete_member(DeleteMemberRequest { name: member, ..Default::default() }).await.map(drop),
            }
        }
    })
    .await;
    let counts = counted(&outcomes);
    println!("demotions, leaves, suspensions and removals: {counts:?}");
    let left = lasting_super_admins(&rows).await;
    assert!(left >= 1, "the organization is left without a super admin");
    // It was worth a race: others went, and somebody was kept from it.
    assert!(counts["OK"] >= 4 && left < 5, "{counts:?}");
    assert_eq!(violations(&installation.platform()).await, []);
}

async fn number(rows: &Rows, sql: &str) -> i64 {
    rows.texts(sql).await[0][0].as_deref().unwrap().parse().unwrap()
}

async fn one_request_is_done_once(installation: Installation) {
    loaded(&installation).await;
    let rows = Rows::open(&installation.place()).await;
    let head = "SELECT CAST(rev AS text) FROM feed_head";
    let entries = "SELECT CAST(count(*) AS text) FROM audit_entry WHERE resource = 'organizations/acme/accounts/once'";
    let before = number(&rows, head).await;
    let request_id = Uuid::new_v4().to_string();
    let session = installation.on_behalf_of("users/u0");
    let outcomes = all_at_once(50, |_| {
        let (session, request) = (session.clone(), account("once", &request_id));
        async move { session.accounts().create_account(request).await.map(tonic::Response::into_inner) }
    })
    .await;
    println!("the same request 50 times: {:?}", counted(&outcomes));
    let answers: Vec<Account> = outcomes.into_iter().map(|outcome| outcome.unwrap()).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "they were not all answered alike");
    assert_eq!(number(&rows, head).await, before + 1, "there was more than one commit");
    assert_eq!(number(&rows, entries).await, 1);
    assert_eq!(number(&rows, "SELECT CAST(count(*) AS text) FROM account").await, 1);
    // The id with another request in it is none.
    let status = session.accounts().create_account(account("twice", &request_id)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "REQUEST_ID_REUSED"));
}

async fn of_an_exclusive_set_one_is_held(installation: Installation) {
    loaded(&installation).await;
    let rows = Rows::open(&installation.place()).await;
    // A seat must be free for the role that is counted.
    let name = format!("{ACME}/members/u4");
    installation.platform().members().delete_member(DeleteMemberRequest { name, ..Default::default() }).await.unwrap();
    let session = installation.on_behalf_of("users/u0");
    let outcomes = all_at_once(100, |at| {
        let session = session.clone();
        let role = [SUPER_ADMIN, ORG_ADMIN][at % 2].to_owned();
        let role_binding = RoleBinding { principal: "users/eve".into(), role, node: ACME.into(), ..Default::default() };
        let request = CreateRoleBindingRequest { parent: ACME.into(), role_binding: Some(role_binding), ..Default::default() };
        async move { session.role_bindings().create_role_binding(request).await.map(drop) }
    })
    .await;
    let counts = counted(&outcomes);
    println!("roles of an exclusive set: {counts:?}");
    let held = "SELECT CAST(count(*) AS text) FROM role_binding WHERE principal = 'users/eve'";
    assert_eq!((number(&rows, held).await, counts["OK"]), (1, 1));
    assert_eq!(violations(&installation.platform()).await, []);
}

async fn groups_stay_without_cycles(installation: Installation) {
    loaded(&installation).await;
    let rows = Rows::open(&installation.place()).await;
    let session = installation.on_behalf_of("users/u0");
    let outcomes = all_at_once(100, |at| {
        let session = session.clone();
        let group = |number: usize| format!("{ACME}/groups/g{}", number % 6);
        let request = AddGroupMemberRequest { group: group(at), member: group(at + 1 + at / 6 % 5), ..Default::default() };
        async move { session.groups().add_group_member(request).await.map(drop) }
    })
    .await;
    let counts = counted(&outcomes);
    println!("groups into groups: {counts:?}");
    let mut inside: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for record in rows.records("%").await.into_values() {
        if let Record::GroupEdge(edge) = record
            && let GroupMember::Group(inner) = edge.member
        {
            inside.entry(edge.group.to_string()).or_default().insert(inner.to_string());
        }
    }
    assert_eq!(inside.values().map(BTreeSet::len).sum::<usize>(), counts["OK"]);
    for group in inside.keys() {
        let mut reached = BTreeSet::new();
        let mut latest = vec![group];
        while let Some(at) = latest.pop() {
            latest.extend(inside.get(at).into_iter().flatten().filter(|inner| reached.insert((*inner).clone())));
        }
        assert!(!reached.contains(group), "{group} contains itself");
    }
    assert!(counts["GROUP_CYCLE"] > 0, "nobody tried");
    assert_eq!(violations(&installation.platform()).await, []);
}

/// Ends the super admin role of `u0`, who is about to write.
async fn revoke(session: &Session, binding: &str) -> Result<(), Status> {
    let request = DeleteRoleBindingRequest { name: binding.to_owned(), ..Default::default() };
    session.role_bindings().delete_role_binding(request).await.map(drop)
}

/// Two writers in line for one tree, while somebody else has the file: the first takes the second's right.
async fn what_was_revoked_while_waiting_in_line_stops_the_write() {
    for revoked in [true, false] {
        let installation = Installation::start(Layout::One, Store::Sqlite);
        let bindings = loaded(&installation).await;
        let Place::Sqlite(file) = installation.place() else { unreachable!("it is on SQLite") };
        let mut holder = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
        // The control takes somebody else's right.
        let binding = bindings[&format!("{ACME}/roleBindings/b{}", usize::from(!revoked))].clone();
        let platform = installation.platform();
        let revocation = tokio::spawn(async move { revoke(&platform, &binding).await });
        tokio::time::sleep(Duration::from_millis(400)).await;
        let writer = installation.on_behalf_of("users/u0");
        let write = tokio::spawn(async move { writer.accounts().create_account(account("late", "")).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(!revocation.is_finished() && !write.is_finished(), "nobody held them up");
        sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
        revocation.await.unwrap().unwrap();
        stopped_if(revoked, write.await.unwrap());
    }
}

/// One has its permit and waits for its request id, which a transaction beside it has taken; by another server the right is revoked
/// meanwhile. What the permit rests on is compared under the locks, so that the commit is stopped.
async fn what_was_revoked_between_permit_and_commit_stops_the_commit() {
    let store = Store::postgres().await;
    let installation = Installation::start(Layout::Three, store);
    let bindings = loaded(&installation).await;
    let Place::Postgres(url) = installation.place() else { unreachable!("it is on PostgreSQL") };
    let [_, _, authz] = &installation.addresses()[..] else { panic!("three processes") };
    let log = tempfile::NamedTempFile::new().unwrap();
    let (at, permits) = (format!("store.url={url}"), format!("peers.authz={authz}"));
    let second = Process::serve(&["directory", "--listen", "127.0.0.1:0", "--set", &at, "--set", &permits], log.path()).unwrap();
    let other = channel(&second.address).unwrap();
    let platform = Session::new(other.clone(), other.clone(), other).on_behalf_of(tests::installation::PLATFORM).unwrap();

    // A first write tells how the log of requests names the caller.
    let writer = installation.on_behalf_of("users/u0");
    let rows = Rows::open(&installation.place()).await;
    let sample = Uuid::new_v4().to_string();
    writer.accounts().create_account(account("first", &sample)).await.unwrap();
    let named = rows.texts(&format!("SELECT caller, method FROM request_log WHERE request_id = '{sample}'")).await;
    let (caller, method) = (named[0][0].clone().unwrap(), named[0][1].clone().unwrap());

    for (id, revoked) in [("control", false), ("late", true)] {
        let request_id = Uuid::new_v4();
        let mut holder = PgConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN").execute(&mut holder).await.unwrap();
        let claim = "INSERT INTO request_log(caller, actor, method, request_id, body_hash) VALUES ($1, 'users/u0', $2, $3::uuid, '')";
        sqlx::query(claim).bind(&caller).bind(&method).bind(request_id.to_string()).execute(&mut holder).await.unwrap();
        let (writer, request) = (writer.clone(), account(id, &request_id.to_string()));
        let write = tokio::spawn(async move { writer.accounts().create_account(request).await.map(drop) });
        // It has its permit when it waits for the id.
        let waiting = "SELECT CAST(count(*) AS text) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO request_log%'";
        while number(&rows, waiting).await == 0 {
            assert!(!write.is_finished(), "nobody held it up");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let binding = &bindings[&format!("{ACME}/roleBindings/b{}", if revoked { 0 } else { 1 })];
        revoke(&platform, binding).await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
        stopped_if(revoked, write.await.unwrap());
    }
    assert_eq!(number(&rows, "SELECT CAST(count(*) AS text) FROM account WHERE name LIKE '%/late'").await, 0);
}

fn stopped_if(revoked: bool, outcome: Result<(), Status>) {
    match outcome {
        Ok(()) => assert!(!revoked, "it was written after the right was revoked"),
        Err(status) => {
            assert!(revoked, "the control was stopped: {status:?}");
            assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_revoked_while_its_holder_waits_in_line_is_not_used_on_sqlite() {
    what_was_revoked_while_waiting_in_line_stops_the_write().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_revoked_between_permit_and_commit_is_not_used_on_postgres() {
    what_was_revoked_between_permit_and_commit_stops_the_commit().await;
}

/// Each race, on each store.
macro_rules! on_both_stores {
    ($($race:ident: $sqlite:ident, $postgres:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sqlite() {
                $race(Installation::start(Layout::One, Store::Sqlite)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $postgres() {
                let store = Store::postgres().await;
                $race(Installation::start(Layout::Three, store)).await;
            }
        )+
    };
}

on_both_stores! {
    a_super_admin_is_left:
        a_hundred_demotions_at_once_leave_a_super_admin_on_sqlite, a_hundred_demotions_at_once_leave_a_super_admin_on_postgres;
    one_request_is_done_once:
        the_same_request_fifty_times_at_once_is_done_once_on_sqlite, the_same_request_fifty_times_at_once_is_done_once_on_postgres;
    of_an_exclusive_set_one_is_held:
        of_an_exclusive_set_one_role_is_held_whoever_comes_on_sqlite, of_an_exclusive_set_one_role_is_held_whoever_comes_on_postgres;
    groups_stay_without_cycles:
        groups_put_into_each_other_at_once_make_no_cycle_on_sqlite, groups_put_into_each_other_at_once_make_no_cycle_on_postgres;
}
