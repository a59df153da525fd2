//! `AuditInvariants` finds what is planted in the database behind everybody's back, and nothing else; on a healthy installation, however busy, it finds nothing.

use std::collections::BTreeSet;

use api::{
    directory::v1::{invariant_violation::Kind, *},
    feed::v1::{GroupEdgeState, MemberState, Record, RoleBindingState, record::State},
};
use client::world::load;
use decision::world::World;
use prost::Message;
use tests::{
    installation::{Installation, Layout, Store, tenantry},
    invariants::violations,
    rows::Rows,
    services::reason,
    together::{all_at_once, counted},
};
use tonic::Code;

const WORLD: &str = "
users: [ann, amy, gwen, s1, s2, s3, s4, s5, bob, ned]
organizations:
  - id: acme
    model: ad-platform
    workspaces: [{ id: w1 }]
    accounts: [{ id: a1 }]
    members: [ann, amy, gwen, s1, s2, s3, s4, s5]
    groups: [{ id: inner, members: [gwen] }, { id: outer, members: [groups/inner] }]
    partnerships: [{ id: p1, partner: beta, node: accounts/a1, roles: [account-partner], accepted: true }]
    bindings:
      - { principal: ann, role: super-admin }
      - { principal: amy, role: org-admin }
      - { principal: bob, role: account-partner, node: accounts/a1, components: { creative: view }, sponsor: partnerships/p1 }
  - id: beta
    model: ad-platform
    members: [bob]
    bindings: [{ principal: bob, role: super-admin }]
  - id: north
    model: agency
    workspaces: [{ id: w1 }, { id: w2 }]
    members: [ned]
    bindings: [{ principal: ned, role: agency-admin }]
  - id: cust
    parent: north/workspaces/w1
";

const TIMES: &str = "'2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', 1";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Somebody who writes beside the services.
struct Planter {
    rows: Rows,
}

/// What is planted, by the statements that plant it and those that take it out again.
#[derive(Default)]
struct Plant {
    name: &'static str,
    plant: Vec<String>,
    remove: Vec<String>,
    expected: Vec<(Kind, String)>,
}

impl Plant {
    fn of(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn sql(mut self, plant: impl Into<String>, remove: impl Into<String>) -> Self {
        self.plant.push(plant.into());
        self.remove.insert(0, remove.into());
        self
    }

    fn found(mut self, kind: Kind, resource: impl Into<String>) -> Self {
        self.expected.push((kind, resource.into()));
        self
    }
}

impl Planter {
    fn bytes(&self, bytes: &[u8]) -> String {
        match self.rows {
            Rows::Sqlite(_) => format!("x'{}'", hex(bytes)),
            Rows::Postgres(_) => format!("decode('{}', 'hex')", hex(bytes)),
        }
    }

    /// That the feed says this.
    fn record(&self, plant: Plant, key: &str, state: State) -> Plant {
        let record = Record { key: key.to_owned(), skippable_from: 1, state: Some(state) };
        let (key, payload) = (self.bytes(key.as_bytes()), self.bytes(&record.encode_to_vec()));
        let insert = format!("INSERT INTO feed_state(key, rev, payload) VALUES ({key}, 1, {payload})");
        plant.sql(insert, format!("DELETE FROM feed_state WHERE key = {key}"))
    }

    /// A binding, which the feed knows.
    fn binding(&self, plant: Plant, id: &str, principal: &str, role: &str, node: &str, sponsor: Option<&str>) -> Plant {
        let name = format!("organizations/acme/roleBindings/{id}");
        let quoted = sponsor.map_or("NULL".to_owned(), |sponsor| format!("'{sponsor}'"));
        let insert = format!(
            "INSERT INTO role_binding(name, organization, principal, role, node, sponsor, create_time, update_time, version)
             VALUES ('{name}', 'organizations/acme', '{principal}', '{role}', '{node}', {quoted}, {TIMES})"
        );
        let state = RoleBindingState {
            principal: principal.into(),
            role: role.into(),
            node: node.into(),
            sponsor: sponsor.unwrap_or_default().into(),
            ..Default::default()
        };
        let plant = plant.sql(insert, format!("DELETE FROM role_binding WHERE name = '{name}'"));
        self.record(plant, &name, State::RoleBinding(state))
    }

    /// A membership in a group, which the feed knows.
    fn edge(&self, plant: Plant, group: &str, member: &str) -> Plant {
        let insert = format!(
            "INSERT INTO group_member(user_group, member, organization, create_time)
             VALUES ('{group}', '{member}', 'organizations/acme', '2026-01-01T00:00:00+00:00')"
        );
        let plant = plant.sql(insert, format!("DELETE FROM group_member WHERE user_group = '{group}' AND member = '{member}'"));
        let state = GroupEdgeState { group: group.into(), member: member.into() };
        self.record(plant, &format!("{group}#{member}"), State::GroupEdge(state))
    }

    /// Another value in a column, and the one that it had.
    async fn set(&self, plant: Plant, table: &str, column: &str, row: &str, value: &str) -> Plant {
        let was = self.rows.texts(&format!("SELECT CAST({column} AS text) FROM {table} WHERE name = '{row}'")).await;
        let was = was[0][0].clone().map_or("NULL".to_owned(), |text| match (&self.rows, text.as_str()) {
            (Rows::Sqlite(_), "0" | "1") | (_, "true" | "false") => text,
            _ => format!("'{text}'"),
        });
        let set = |value: &str| format!("UPDATE {table} SET {column} = {value} WHERE name = '{row}'");
        plant.sql(set(value), set(&was))
    }

    /// What the feed says of a key is something else, or nothing.
    async fn restate(&self, plant: Plant, key: &str, state: Option<State>) -> Plant {
        let sql = match self.rows {
            Rows::Sqlite(_) => format!("SELECT hex(payload) FROM feed_state WHERE key = {}", self.bytes(key.as_bytes())),
            Rows::Postgres(_) => format!("SELECT encode(payload, 'hex') FROM feed_state WHERE key = {}", self.bytes(key.as_bytes())),
        };
        let was = self.rows.texts(&sql).await[0][0].clone().expect("a record").to_lowercase();
        let set = |payload: String| format!("UPDATE feed_state SET payload = {payload} WHERE key = {}", self.bytes(key.as_bytes()));
        let was = match self.rows {
            Rows::Sqlite(_) => format!("x'{was}'"),
            Rows::Postgres(_) => format!("decode('{was}', 'hex')"),
        };
        let record = state.map(|state| Record { key: key.to_owned(), skippable_from: 1, state: Some(state) });
        let payload = record.map_or("NULL".to_owned(), |record| self.bytes(&record.encode_to_vec()));
        plant.sql(set(payload), set(was))
    }

    async fn everything(&self, bindings: &Bindings) -> Vec<Plant> {
        let acme = "organizations/acme";
        let role = |id: &str| format!("roleModels/ad-platform/roles/{id}");
        let named = |id: &str| format!("{acme}/roleBindings/{id}");
        let mut plants = Vec::new();

        let mut seats = Plant::of("more super admins than seats").found(Kind::Seats, bindings.ann.clone());
        for at in 1..=5 {
            seats = self.binding(seats, &format!("zz{at}"), &format!("users/s{at}"), &role("super-admin"), acme, None);
        }
        plants.push(seats);

        let member = format!("{acme}/members/ann");
        let required = self.set(Plant::of("the only super admin suspended"), "member", "suspended", &member, "true").await;
        let required = self.restate(required, &member, Some(State::Member(MemberState { suspended: true }))).await;
        plants.push(required.found(Kind::RequiredRole, acme));

        let exclusive = Plant::of("two roles of an exclusive set").found(Kind::ExclusiveRole, named("zz"));
        plants.push(self.binding(exclusive, "zz", "users/ann", &role("org-admin"), acme, None));
        let indirectly = Plant::of("a counted role held by a group").found(Kind::HeldIndirectly, named("zz"));
        plants.push(self.binding(indirectly, "zz", &format!("{acme}/groups/inner"), &role("org-admin"), acme, None));
        let twice = Plant::of("the same role twice").found(Kind::HeldTwice, named("zz"));
        plants.push(self.binding(twice, "zz", "users/amy", &role("org-admin"), acme, None));

        let (inner, outer) = (format!("{acme}/groups/inner"), format!("{acme}/groups/outer"));
        let cycle = Plant::of("groups in each other").found(Kind::GroupCycle, format!("{inner}#{outer}"));
        plants.push(self.edge(cycle.found(Kind::GroupCycle, format!("{outer}#{inner}")), &inner, &outer));
        let stranger = Plant::of("a stranger in a group").found(Kind::NotAMember, format!("{inner}#users/bob"));
        plants.push(self.edge(stranger, &inner, "users/bob"));
        let nothing = Plant::of("a missing group in a group").found(Kind::Missing, format!("{inner}#{acme}/groups/none"));
        plants.push(self.edge(nothing, &inner, &format!("{acme}/groups/none")));

        let missing = |name| Plant::of(name).found(Kind::Missing, named("zz"));
        let nowhere = format!("{acme}/accounts/none");
        plants.push(self.binding(missing("a missing node"), "zz", "users/s1", &role("account-admin"), &nowhere, None));
        plants.push(self.binding(missing("a missing user"), "zz", "users/none", &role("org-admin"), acme, None));
        let none = format!("{acme}/partnerships/none");
        plants.push(self.binding(missing("a missing sponsor"), "zz", "users/bob", &role("org-partner"), acme, Some(&none)));
        let stranger = Plant::of("a stranger without a sponsor").found(Kind::NotAMember, named("zz"));
        plants.push(self.binding(stranger, "zz", "users/bob", &role("org-admin"), acme, None));

        let foreign = |name| Plant::of(name).found(Kind::ForeignRole, named("zz"));
        plants.push(self.binding(foreign("another's role"), "zz", "users/s1", "organizations/beta/roles/x", acme, None));
        plants.push(self.binding(foreign("another model's role"), "zz", "users/s1", "roleModels/agency/roles/agency-admin", acme, None));
        plants.push(self.binding(foreign("a role of none"), "zz", "users/s1", &role("none"), acme, None));

        let deleted = self.set(Plant::of("a deleted user's membership"), "directory_user", "deleted", "users/s1", "true").await;
        let deleted = self.restate(deleted, "users/s1", None).await;
        plants.push(deleted.found(Kind::Missing, format!("{acme}/members/s1")));

        let tree = self.set(Plant::of("another root"), "organization", "root", "organizations/cust", "'organizations/acme'").await;
        plants.push(tree.found(Kind::Tree, "organizations/cust"));
        let orphan = Plant::of("a parent that is missing");
        let orphan = self.set(orphan, "organization", "parent", "organizations/cust", "'organizations/north/workspaces/none'").await;
        plants.push(orphan.found(Kind::Tree, "organizations/cust").found(Kind::Feed, "organizations/cust"));

        let workspace = format!("{acme}/workspaces/w1");
        let row =
            self.set(Plant::of("a row of another organization"), "workspace", "organization", &workspace, "'organizations/beta'").await;
        plants.push(row.found(Kind::Row, workspace));
        let unreadable = self.set(Plant::of("an unreadable row"), "role_binding", "principal", &bindings.amy, "'nonsense'").await;
        plants.push(unreadable.found(Kind::Row, bindings.amy.clone()));
        let account = format!("{acme}/accounts/a1");
        let elsewhere = Plant::of("an account in another organization");
        let elsewhere = self.set(elsewhere, "account", "workspace", &account, "'organizations/north/workspaces/w1'").await;
        plants.push(elsewhere.found(Kind::Row, account.clone()).found(Kind::Feed, account.clone()));

        let retire = format!("INSERT INTO retired_name(name) VALUES ('{}')", bindings.amy);
        let forget = format!("DELETE FROM retired_name WHERE name = '{}'", bindings.amy);
        plants.push(Plant::of("a retired name in use").sql(retire, forget).found(Kind::RetiredName, bindings.amy.clone()));

        let paused = self.set(Plant::of("a row that the feed does not know"), "account", "paused", &account, "true").await;
        plants.push(paused.found(Kind::Feed, account.clone()));
        let silent = self.restate(Plant::of("a thing that the feed does not know"), &account, None).await;
        plants.push(silent.found(Kind::Feed, account));
        let ghost = format!("{acme}/members/ghost");
        let known = Plant::of("a thing that only the feed knows").found(Kind::FeedWithoutRow, ghost.clone());
        plants.push(self.record(known, &ghost, State::Member(MemberState::default())));
        let edge = format!("{inner}#users/s1");
        let known = Plant::of("a membership that only the feed knows").found(Kind::FeedWithoutRow, edge.clone());
        let state = GroupEdgeState { group: inner, member: "users/s1".into() };
        plants.push(self.record(known, &edge, State::GroupEdge(state)));
        plants
    }
}

/// The names that the directory chose.
struct Bindings {
    ann: String,
    amy: String,
}

async fn found(installation: &Installation) -> BTreeSet<(i32, String)> {
    violations(&installation.platform()).await.into_iter().map(|one| (one.kind, one.resource)).collect()
}

fn audit(installation: &Installation) -> (Option<i32>, String) {
    let output = tenantry().args(["audit-invariants", "--address", installation.address()]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

async fn what_is_planted_is_found(installation: Installation) {
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    let platform = installation.platform();
    let loaded = load(&platform, &world).await.unwrap();
    let name = |id: &str| {
        let own = format!("organizations/acme/roleBindings/{id}");
        loaded.binding(&own).to_owned()
    };
    let bindings = Bindings { ann: name("ann-super-admin"), amy: name("amy-org-admin") };
    assert_eq!(found(&installation).await, BTreeSet::new());
    let (code, text) = audit(&installation);
    assert_eq!((code, text.contains("no violations")), (Some(0), true), "{text}");

    let planter = Planter { rows: Rows::open(&installation.place()).await };
    let plants = planter.everything(&bindings).await;
    let mut kinds = BTreeSet::new();
    for plant in &plants {
        for sql in &plant.plant {
            planter.rows.execute(sql).await;
        }
        let expected: BTreeSet<(i32, String)> = plant.expected.iter().map(|(kind, name)| ((*kind).into(), name.clone())).collect();
        assert_eq!(found(&installation).await, expected, "{}", plant.name);
        if plant.name == "the same role twice" {
            let (code, text) = audit(&installation);
            assert_eq!(code, Some(1));
            assert!(text.contains("HELD_TWICE") && text.contains("organizations/acme/roleBindings/zz"), "{text}");
        }
        for sql in &plant.remove {
            planter.rows.execute(sql).await;
        }
        assert_eq!(found(&installation).await, BTreeSet::new(), "after {}", plant.name);
        kinds.extend(plant.expected.iter().map(|(kind, _)| i32::from(*kind)));
    }
    // Every kind there is has been planted.
    assert_eq!(kinds, (1..=14).collect());

    // What the platform may do is no violation.
    let request = SuspendUserRequest { name: "users/ann".into(), ..Default::default() };
    let answer = platform.users().suspend_user(request).await.unwrap().into_inner();
    assert_eq!(answer.organizations_needing_owner, ["organizations/acme"]);
    assert_eq!(found(&installation).await, BTreeSet::new());

    // Pages of any size find the same; nobody but the platform may look.
    let request = AuditInvariantsRequest { page_size: 2, ..Default::default() };
    let ann = installation.on_behalf_of("users/amy").invariants().audit_invariants(request.clone()).await.unwrap_err();
    assert_eq!((ann.code(), reason(&ann).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
    let mut request = request;
    let mut examined = 0;
    loop {
        let answer = platform.invariants().audit_invariants(request.clone()).await.unwrap().into_inner();
        assert!(answer.violations.is_empty() && answer.examined <= 2);
        examined += answer.examined;
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(examined > 60, "only {examined} rows were looked at");
}

async fn a_busy_installation_has_none(installation: Installation) {
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&installation.platform(), &world).await.unwrap();
    let ann = installation.on_behalf_of("users/ann");
    let outcomes = all_at_once(20, |at| {
        let (ann, platform) = (ann.clone(), installation.platform());
        async move {
            if at < 2 {
                for _ in 0..12 {
                    assert_eq!(violations(&platform).await, []);
                }
                return Ok(());
            }
            for round in 0..6 {
                let account_id = format!("a-{at}-{round}");
                let account = Some(Account { display_name: account_id.clone(), ..Default::default() });
                let request = CreateAccountRequest { parent: "organizations/acme".into(), account_id, account, ..Default::default() };
                let node = ann.accounts().create_account(request).await?.into_inner().name;
                let role = "roleModels/ad-platform/roles/account-admin".into();
                let role_binding = RoleBinding { principal: format!("users/s{}", 1 + at % 5), role, node, ..Default::default() };
                let request = CreateRoleBindingRequest {
                    parent: "organizations/acme".into(),
                    role_binding: Some(role_binding),
                    ..Default::default()
                };
                let name = ann.role_bindings().create_role_binding(request).await?.into_inner().name;
                if round % 2 == 0 {
                    ann.role_bindings().delete_role_binding(DeleteRoleBindingRequest { name, ..Default::default() }).await?;
                }
            }
            Ok(())
        }
    })
    .await;
    println!("while it was audited: {:?}", counted(&outcomes));
    assert!(counted(&outcomes)["OK"] > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_planted_in_the_database_is_found_and_nothing_else_on_sqlite() {
    what_is_planted_is_found(Installation::start(Layout::One, Store::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_planted_in_the_database_is_found_and_nothing_else_on_postgres() {
    let store = Store::postgres().await;
    what_is_planted_is_found(Installation::start(Layout::One, store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_installation_has_no_violations_on_sqlite() {
    a_busy_installation_has_none(Installation::start(Layout::One, Store::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_installation_has_no_violations_on_postgres() {
    let store = Store::postgres().await;
    a_busy_installation_has_none(Installation::start(Layout::AuthzApart, store)).await;
}
