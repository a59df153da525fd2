//! What is in the database, read as rows and not through any service: for oracles that trust nobody.

use std::collections::{BTreeMap, BTreeSet};

use decision::{
    document::{ConditionUse, Level},
    name::{BindingName, GroupName, MemberName, NodeName, PartnershipName, Principal, RoleName, Sponsor, UserName},
    record::{
        Binding, CustomRole, GroupEdge, GroupMember, Member, ModelRevision, Node, NodeState, OrganizationKind, Partnership, Record,
        Timestamp, User, Value,
    },
};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, PgPool, Row, SqlitePool, postgres::PgPoolOptions, sqlite::SqlitePoolOptions};

use crate::installation::Place;

/// A second connection to an installation's database.
pub enum Rows {
    /// To its file.
    Sqlite(SqlitePool),
    /// To its database.
    Postgres(PgPool),
}

/// One row, every column as text.
pub type Texts = Vec<Option<String>>;

impl Rows {
    /// Connects beside the services.
    pub async fn open(place: &Place) -> Self {
        match place {
            Place::Sqlite(file) => {
                let url = format!("sqlite://{}", file.display());
                Self::Sqlite(SqlitePoolOptions::new().max_connections(2).connect(&url).await.expect("the database's file"))
            }
            Place::Postgres(url) => Self::Postgres(PgPoolOptions::new().max_connections(2).connect(url).await.expect("the database")),
        }
    }

    /// The rows of a statement whose columns are all text.
    pub async fn texts(&self, sql: &str) -> Vec<Texts> {
        fn columns<'r, R>(row: &'r R) -> Texts
        where
            R: Row,
            usize: sqlx::ColumnIndex<R>,
            Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
        {
            (0..row.len()).map(|at| row.try_get(at).expect("a column of text")).collect()
        }
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query(sql).fetch_all(pool).await.expect("rows").iter().map(columns).collect(),
            Self::Postgres(pool) => sqlx::query(sql).fetch_all(pool).await.expect("rows").iter().map(columns).collect(),
        }
    }

    /// Changes rows behind the services' back.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => drop(sqlx::query(sql).execute(pool).await.expect("a change")),
            Self::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.expect("a change")),
        }
    }

    /// Some columns of a table as text, in the order given; of rows whose key, the first of the columns, is like a pattern.
    async fn table(&self, table: &str, columns: &[&str], like: &str) -> Vec<Texts> {
        let key = columns[0];
        let columns: Vec<String> = columns.iter().map(|column| format!("CAST({column} AS text)")).collect();
        self.texts(&format!("SELECT {} FROM {table} WHERE {key} LIKE '{like}'", columns.join(", "))).await
    }

    /// A moment as seconds since 1970.
    fn seconds(&self, column: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("strftime('%s', {column})"),
            Self::Postgres(_) => format!("CAST(EXTRACT(EPOCH FROM {column}) AS bigint)"),
        }
    }

    /// Everything that decisions are made from, by its keys; of what is called like an SQL pattern.
    pub async fn records(&self, like: &str) -> BTreeMap<String, Record> {
        let mut records = Vec::new();
        let columns = ["name", "parent", "kind", "role_model", "role_model_revision", "suspended", "deleted", "ceiling"];
        for row in self.table("organization", &columns, like).await {
            let row = Fields(row);
            let model =
                row.maybe(3).map(|model| (model.trim_start_matches("roleModels/").to_owned(), row.text(4).parse().expect("a revision")));
            let kind = match row.text(2) {
                "publisher" => OrganizationKind::Publisher,
                "mixed" => OrganizationKind::Mixed,
                _ => OrganizationKind::Marketer,
            };
            let parent = row.maybe(1).map(node_name);
            records.push(Record::Node(Node { parent, kind, model, ceiling: row.names(7), ..node(row.text(0), row.flag(6), row.flag(5)) }));
        }
        for row in self.table("workspace", &["name", "organization", "deleted", "ceiling"], like).await {
            let row = Fields(row);
            let parent = Some(node_name(row.text(1)));
            records.push(Record::Node(Node { parent, ceiling: row.names(3), ..node(row.text(0), row.flag(2), false) }));
        }
        for row in self.table("account", &["name", "organization", "workspace", "paused", "deleted", "ceiling"], like).await {
            let row = Fields(row);
            let parent = Some(node_name(row.maybe(2).unwrap_or(row.text(1))));
            let paused = row.flag(3);
            records.push(Record::Node(Node { parent, paused, ceiling: row.names(5), ..node(row.text(0), row.flag(4), false) }));
        }
        for row in self.table("resource", &["name", "attributes", "deleted"], like).await {
            let row = Fields(row);
            let attributes = row.object(1).into_iter().map(|(id, json)| (id, value(json))).collect();
            records.push(Record::Node(Node { attributes, ..node(row.text(0), row.flag(2), false) }));
        }
        for row in self.table("directory_user", &["name", "suspended", "deleted", "managed_by"], like).await {
            let row = Fields(row);
            if !row.flag(2) {
                records.push(Record::User(User {
                    name: user_name(row.text(0)),
                    suspended: row.flag(1),
                    confined_to: row.maybe(3).map(node_name),
                }));
            }
        }
        for row in self.table("member", &["name", "suspended"], like).await {
            let row = Fields(row);
            records.push(Record::Member(Member { name: MemberName::parse(row.text(0)).expect("a name"), suspended: row.flag(1) }));
        }
        for row in self.table("group_member", &["user_group", "member"], like).await {
            let row = Fields(row);
            let member = match UserName::parse(row.text(1)) {
                Ok(user) => GroupMember::User(user),
                Err(_) => GroupMember::Group(GroupName::parse(row.text(1)).expect("a group")),
            };
            records.push(Record::GroupEdge(GroupEdge { group: GroupName::parse(row.text(0)).expect("a group"), member }));
        }
        let expiry = self.seconds("expire_time");
        let columns = ["name", "partner", "node", "roles", "components", "users", "accepted", &expiry];
        for row in self.table("partnership", &columns, like).await {
            let row = Fields(row);
            records.push(Record::Partnership(Partnership {
                name: PartnershipName::parse(row.text(0)).expect("a name"),
                partner: node_name(row.text(1)),
                node: node_name(row.text(2)),
                roles: row.names(3).unwrap_or_default().iter().map(|role| role_name(role)).collect(),
                components: row.levels(4),
                users: row.names(5).map(|users| users.iter().map(|user| user_name(user)).collect()),
                expires: row.time(7),
                accepted: row.flag(6),
            }));
        }
        let columns = ["name", "principal", "role", "node", "components", "condition", "sponsor", &expiry];
        for row in self.table("role_binding", &columns, like).await {
            let row = Fields(row);
            records.push(Record::Binding(Binding {
                name: BindingName::parse(row.text(0)).expect("a name"),
                principal: Principal::parse(row.text(1)).expect("a principal"),
                role: role_name(row.text(2)),
                node: node_name(row.text(3)),
                components: row.levels(4),
                condition: row.maybe(5).map(condition),
                sponsor: row.maybe(6).map(|sponsor| Sponsor::parse(sponsor).expect("a sponsor")),
                expires: row.time(7),
            }));
        }
        for row in self.table("custom_role", &["name", "held_at", "grants", "deleted"], like).await {
            let row = Fields(row);
            if !row.flag(3) {
                let grants = serde_json::from_str(row.text(2)).expect("grants");
                records.push(Record::CustomRole(CustomRole { name: role_name(row.text(0)), held_at: row.text(1).to_owned(), grants }));
            }
        }
        records.into_iter().map(|record| (record.key(), record)).collect()
    }

    /// Every revision of every role model.
    pub async fn models(&self) -> BTreeMap<String, Record> {
        let mut records = BTreeMap::new();
        for row in self.table("role_model_revision", &["model", "revision", "document"], "%").await {
            let row = Fields(row);
            let record = Record::ModelRevision(ModelRevision {
                model: row.text(0).to_owned(),
                revision: row.text(1).parse().expect("a revision"),
                document: serde_json::from_str(row.text(2)).expect("a document"),
            });
            records.insert(record.key(), record);
        }
        records
    }
}

struct Fields(Texts);

impl Fields {
    fn maybe(&self, at: usize) -> Option<&str> {
        self.0[at].as_deref()
    }

    fn text(&self, at: usize) -> &str {
        self.maybe(at).expect("a value")
    }

    fn flag(&self, at: usize) -> bool {
        matches!(self.text(at), "1" | "true" | "t")
    }

    fn time(&self, at: usize) -> Option<Timestamp> {
        self.maybe(at).map(|seconds| Timestamp(seconds.parse::<i64>().expect("seconds") * 1_000_000))
    }

    fn object(&self, at: usize) -> BTreeMap<String, Json> {
        serde_json::from_str(self.text(at)).expect("an object")
    }

    fn names(&self, at: usize) -> Option<BTreeSet<String>> {
        self.maybe(at).map(|text| serde_json::from_str(text).expect("an array of text"))
    }

    fn levels(&self, at: usize) -> Option<BTreeMap<String, Level>> {
        self.maybe(at).map(|text| serde_json::from_str(text).expect("levels"))
    }
}

fn node(name: &str, deleted: bool, suspended: bool) -> Node {
    let state = match (deleted, suspended) {
        (true, _) => NodeState::Deleted,
        (false, true) => NodeState::Suspended,
        (false, false) => NodeState::Active,
    };
    Node {
        name: node_name(name),
        parent: None,
        state,
        paused: false,
        kind: OrganizationKind::default(),
        model: None,
        ceiling: None,
        attributes: BTreeMap::new(),
    }
}

fn condition(text: &str) -> ConditionUse {
    serde_json::from_str(text).expect("the use of a condition")
}

fn value(json: Json) -> Value {
    match json {
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => Value::Int(number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).expect("an integer")),
        Json::Array(texts) => Value::StringList(texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()),
        other => Value::String(other.as_str().unwrap_or_default().to_owned()),
    }
}

fn node_name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a node's name")
}

fn user_name(text: &str) -> UserName {
    UserName::parse(text).expect("a user's name")
}

fn role_name(text: &str) -> RoleName {
    RoleName::parse(text).expect("a role's name")
}
