//! A directory with a store of its own.

use api::{
    authz::v1::permit_service_server::PermitServiceServer,
    directory::v1::{
        CreateOrganizationRequest, CreateUserRequest, CreateWorkspaceRequest, Organization, User, Workspace,
        account_service_client::AccountServiceClient, audit_service_client::AuditServiceClient,
        ceiling_service_client::CeilingServiceClient, group_service_client::GroupServiceClient,
        identity_service_client::IdentityServiceClient, import_service_client::ImportServiceClient,
        invitation_service_client::InvitationServiceClient, member_service_client::MemberServiceClient,
        organization_service_client::OrganizationServiceClient, partnership_service_client::PartnershipServiceClient,
        resource_service_client::ResourceServiceClient, role_binding_service_client::RoleBindingServiceClient,
        roster_service_client::RosterServiceClient, user_service_client::UserServiceClient,
        workspace_service_client::WorkspaceServiceClient,
    },
    feed::v1::{NodeState, Record, node_state::Lifecycle, record::State},
};
use chassis::{
    Server,
    config::{IdentityConfig, ServerConfig},
    identity::Identification,
    page::PageKey,
};
use client::guard::Guard;
use directory::Directory;
use ledger::{Ledger, StoreConfig};
use prost::Message;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::authz::{Authz, PLATFORM};

pub(crate) struct Installation {
    pub(crate) authz: Authz,
    pub(crate) ledger: Ledger,
    pub(crate) directory: Directory,
    channel: Channel,
    url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Installation {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("tenantry.db").display());
        Self::open(url, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Self {
        let server = postgres_url();
        let name = format!("directory_{}", Uuid::new_v4().simple());
        let admin = Database::connect(&server).await.expect("TENANTRY_TEST_POSTGRES_URL does not lead to a PostgreSQL server");
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self::open(format!("{base}/{name}"), None).await
    }

    async fn open(url: String, folder: Option<tempfile::TempDir>) -> Self {
        let ledger = Ledger::open(StoreConfig { max_connections: 4, ..StoreConfig::new(&url) }).await.unwrap();
        let authz = Authz::new(ledger.clone());
        let (server, permits) = in_memory();
        serve(server.add_service(PermitServiceServer::new(authz.clone()))).await;
        let guard = Guard::new(permits, "services/directory");
        let directory = Directory::open(ledger.clone(), guard, PageKey::ephemeral()).await.unwrap();
        let (server, channel) = in_memory();
        serve(directory.add_to(server)).await;
        Self { authz, ledger, directory, channel, url, _folder: folder }
    }

    pub(crate) async fn remove(self) {
        let Self { ledger, directory, url, .. } = self;
        drop((ledger, directory));
        let (_, name) = url.rsplit_once('/').unwrap();
        let admin = Database::connect(postgres_url()).await.unwrap();
        admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        admin.close().await.unwrap();
    }

    pub(crate) fn organizations(&self) -> OrganizationServiceClient<Channel> {
        OrganizationServiceClient::new(self.channel.clone())
    }

    pub(crate) fn workspaces(&self) -> WorkspaceServiceClient<Channel> {
        WorkspaceServiceClient::new(self.channel.clone())
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.channel.clone())
    }

    pub(crate) fn resources(&self) -> ResourceServiceClient<Channel> {
        ResourceServiceClient::new(self.channel.clone())
    }

    pub(crate) fn ceilings(&self) -> CeilingServiceClient<Channel> {
        CeilingServiceClient::new(self.channel.clone())
    }

    pub(crate) fn members(&self) -> MemberServiceClient<Channel> {
        MemberServiceClient::new(self.channel.clone())
    }

    pub(crate) fn groups(&self) -> GroupServiceClient<Channel> {
        GroupServiceClient::new(self.channel.clone())
    }

    pub(crate) fn invitations(&self) -> InvitationServiceClient<Channel> {
        InvitationServiceClient::new(self.channel.clone())
    }

    pub(crate) fn partnerships(&self) -> PartnershipServiceClient<Channel> {
        PartnershipServiceClient::new(self.channel.clone())
    }

    pub(crate) fn users(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.channel.clone())
    }

    pub(crate) fn identities(&self) -> IdentityServiceClient<Channel> {
        IdentityServiceClient::new(self.channel.clone())
    }

    pub(crate) fn rosters(&self) -> RosterServiceClient<Channel> {
        RosterServiceClient::new(self.channel.clone())
    }

    pub(crate) fn role_bindings(&self) -> RoleBindingServiceClient<Channel> {
        RoleBindingServiceClient::new(self.channel.clone())
    }

    pub(crate) fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel.clone())
    }

    pub(crate) fn import(&self) -> ImportServiceClient<Channel> {
        ImportServiceClient::new(self.channel.clone())
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    /// A root with this id.
    pub(crate) async fn root(&self, id: &str) -> Organization {
        self.organizations().create_organization(by(PLATFORM, root(id))).await.unwrap().into_inner()
    }

    /// A customer of a workspace.
    pub(crate) async fn customer(&self, id: &str, workspace: &str) -> Organization {
        let organization = Organization { display_name: id.to_owned(), parent: workspace.to_owned(), ..Organization::default() };
        let request = CreateOrganizationRequest { organization_id: id.to_owned(), organization: Some(organization), ..Default::default() };
        self.organizations().create_organization(by("users/ann", request)).await.unwrap().into_inner()
    }

    /// A workspace of an organization.
    pub(crate) async fn workspace(&self, organization: &str, id: &str) -> Workspace {
        let request = CreateWorkspaceRequest {
            parent: organization.to_owned(),
            workspace_id: id.to_owned(),
            workspace: Some(Workspace { display_name: id.to_owned(), ..Workspace::default() }),
            ..Default::default()
        };
        self.workspaces().create_workspace(by("users/ann", request)).await.unwrap().into_inner()
    }

    /// A person.
    pub(crate) async fn user(&self, id: &str) {
        let user = User { email: format!("{id}@example.com"), ..User::default() };
        let request = CreateUserRequest { user_id: id.to_owned(), user: Some(user), ..Default::default() };
        UserServiceClient::new(self.channel.clone()).create_user(by(PLATFORM, request)).await.unwrap();
    }

    /// All that the store has of rows, as text: every column of every table.
    pub(crate) async fn everything(&self) -> String {
        let reader = self.ledger.reader();
        let backend = reader.get_database_backend();
        let tables = match backend {
            DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            _ => "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
        };
        let mut text = String::new();
        for table in reader.query_all_raw(Statement::from_string(backend, tables)).await.unwrap() {
            let table: String = table.try_get("", "name").unwrap();
            let columns = match backend {
                DbBackend::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
                _ => format!("SELECT column_name::text AS name FROM information_schema.columns WHERE table_name = '{table}'"),
            };
            for column in reader.query_all_raw(Statement::from_string(backend, columns)).await.unwrap() {
                let column: String = column.try_get("", "name").unwrap();
                // Bytes too: what is text in them is text here.
                let value = match backend {
                    DbBackend::Sqlite => format!("CAST(\"{column}\" AS TEXT)"),
                    _ => format!(
                        "CASE WHEN pg_typeof(\"{column}\")::text = 'bytea' THEN encode(convert_to(\"{column}\"::text, 'UTF8'), 'escape') ELSE \"{column}\"::text END"
                    ),
                };
                let sql = format!("SELECT {value} AS value FROM \"{table}\"");
                for row in reader.query_all_raw(Statement::from_string(backend, sql)).await.unwrap() {
                    if let Ok(Some(value)) = row.try_get::<Option<String>>("", "value") {
                        text.push_str(&value);
                        text.push('\n');
                    }
                }
            }
        }
        text
    }

    /// The latest record of a key in the feed; none if there is none, or it is gone.
    pub(crate) async fn record(&self, key: &str) -> Option<Record> {
        let reader = self.ledger.reader();
        let values = [key.as_bytes().to_vec().into()];
        let statement =
            Statement::from_sql_and_values(reader.get_database_backend(), "SELECT payload FROM feed_state WHERE key = $1", values);
        let payload: Option<Vec<u8>> = reader.query_one_raw(statement).await.unwrap()?.try_get("", "payload").unwrap();
        payload.map(|payload| Record::decode(payload.as_slice()).unwrap())
    }

    /// The latest record of a node.
    pub(crate) async fn node(&self, name: &str) -> NodeState {
        match self.record(name).await.unwrap().state.unwrap() {
            State::Node(node) => node,
            other => panic!("{other:?}"),
        }
    }

    /// The state of a node in the feed.
    pub(crate) async fn lifecycle(&self, name: &str) -> Lifecycle {
        self.node(name).await.lifecycle()
    }

    /// How many commits there were.
    pub(crate) async fn revision(&self) -> u64 {
        self.ledger.head().await.unwrap().revision
    }
}

/// A number in the database: `SELECT … AS n`.
pub(crate) async fn number(ledger: &Ledger, sql: &str) -> i64 {
    let reader = ledger.reader();
    let row = reader.query_one_raw(Statement::from_string(reader.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

/// A request to create a root.
pub(crate) fn root(id: &str) -> CreateOrganizationRequest {
    let organization =
        Organization { display_name: id.to_owned(), role_model: "roleModels/ad-platform".to_owned(), ..Organization::default() };
    CreateOrganizationRequest { organization_id: id.to_owned(), organization: Some(organization), ..Default::default() }
}

/// A request on behalf of a user.
pub(crate) fn by<T>(actor: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("on-behalf-of", actor.parse().unwrap());
    request
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

fn in_memory() -> (Server, Channel) {
    // How long a hundred calls on one tree take is not what they are tested for.
    Server::in_memory(
        ServerConfig { default_deadline_ms: 60_000, ..ServerConfig::default() },
        Identification::new(&IdentityConfig::default()),
    )
}

async fn serve(server: Server) {
    let bound = server.bind().await.unwrap();
    tokio::spawn(bound.serve(std::future::pending()));
}

fn postgres_url() -> String {
    std::env::var("TENANTRY_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "TENANTRY_TEST_POSTGRES_URL is not set: these tests need a PostgreSQL; run them with `make test`, \
             or as `tests/with-postgres cargo test -p directory`"
        )
    })
}
