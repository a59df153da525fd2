//! A store of its own for each test, and a role catalog over it that speaks to an authz which grants what it is told to.

use std::sync::{Arc, Mutex, MutexGuard};

use api::{
    authz::v1::{
        FilterPermittedRequest, FilterPermittedResponse, GetPermitRequest, GetTreeRulesRequest, ListAssignableRolesRequest,
        ListAssignableRolesResponse, ListPermittedRequest, ListPermittedResponse, ListStandingsRequest, ListStandingsResponse, Permit,
        PreviewAccessRequest, PreviewAccessResponse, Stamp, Terms, TreeRules,
        permit_service_server::{PermitService, PermitServiceServer},
        requirement::Kind,
    },
    error::v1::Reason,
    feed::v1::Record,
    rolecatalog::v1::{
        access_matrix_service_client::AccessMatrixServiceClient, permission_service_client::PermissionServiceClient,
        role_model_service_client::RoleModelServiceClient, role_service_client::RoleServiceClient,
    },
};
use chassis::{
    Server,
    config::{IdentityConfig, ServerConfig},
    identity::Identification,
    page::PageKey,
    refuse,
};
use client::guard::Guard;
use ledger::{Ledger, StoreConfig};
use role_catalog::RoleCatalog;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tonic::{Code, Request, Response, Status, async_trait, transport::Channel};
use tonic_types::StatusExt;
use uuid::Uuid;

pub(crate) const ORGANIZATION: &str = "organizations/acme";

/// A database.
pub(crate) struct TestStore {
    url: String,
    folder: Option<tempfile::TempDir>,
}

impl TestStore {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite://{}", folder.path().join("ledger.db").display()), folder: Some(folder) }
    }

    pub(crate) async fn postgres() -> Self {
        let server = postgres_url();
        let name = format!("role_catalog_{}", Uuid::new_v4().simple());
        let admin = Database::connect(&server).await.expect("TENANTRY_TEST_POSTGRES_URL does not lead to a PostgreSQL server");
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}"), folder: None }
    }

    pub(crate) async fn remove(self) {
        if self.folder.is_some() {
            return;
        }
        let (_, name) = self.url.rsplit_once('/').unwrap();
        let admin = Database::connect(postgres_url()).await.unwrap();
        admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        admin.close().await.unwrap();
    }
}

fn postgres_url() -> String {
    std::env::var("TENANTRY_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "TENANTRY_TEST_POSTGRES_URL is not set: these tests need a PostgreSQL; run them with `make test`, \
             or as `tests/with-postgres cargo test -p role-catalog`"
        )
    })
}

/// What authz says.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) role_model: String,
    pub(crate) role_model_revision: u32,
    pub(crate) kind: &'static str,
    pub(crate) bindings_in_use: u32,
    pub(crate) refusing: bool,
    /// It says of one thing only that the role model does not allow it.
    pub(crate) finds_definitions_invalid: bool,
    /// What it was asked for.
    pub(crate) asked: Vec<GetPermitRequest>,
}

#[derive(Clone)]
struct Granting {
    ledger: Ledger,
    world: Arc<Mutex<World>>,
}

#[async_trait]
impl PermitService for Granting {
    async fn get_permit(&self, request: Request<GetPermitRequest>) -> Result<Response<Permit>, Status> {
        let request = request.into_inner();
        let world = {
            let mut world = self.world.lock().unwrap();
            world.asked.push(request.clone());
            world.clone()
        };
        if world.refusing {
            return Err(refuse(Code::PermissionDenied, Reason::NotAllowed, "you may not").status());
        }
        let defines = |kind: &Option<Kind>| matches!(kind, Some(Kind::DefineRole(_)));
        if world.finds_definitions_invalid && request.requirements.iter().any(|requirement| defines(&requirement.kind)) {
            return Err(refuse(Code::InvalidArgument, Reason::InvalidRole, "one thing is not allowed").status());
        }
        let mut stamped = request.trees.clone();
        stamped.push(request.actor.clone());
        let revision = self.ledger.head().await.unwrap().to_string();
        let stamps = self.ledger.stamps(&stamped).await.unwrap();
        Ok(Response::new(Permit {
            stamps: stamps.into_iter().map(|stamp| Stamp { tree: stamp.tree, revision: stamp.revision }).collect(),
            terms: vec![Terms { bindings_in_use: world.bindings_in_use, ..Terms::default() }; request.requirements.len()],
            role_model: world.role_model,
            role_model_revision: world.role_model_revision,
            kind: world.kind.to_owned(),
            written: request.trees,
            revision,
            ..Permit::default()
        }))
    }

    async fn filter_permitted(&self, _: Request<FilterPermittedRequest>) -> Result<Response<FilterPermittedResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn list_permitted(&self, _: Request<ListPermittedRequest>) -> Result<Response<ListPermittedResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn list_assignable_roles(&self, _: Request<ListAssignableRolesRequest>) -> Result<Response<ListAssignableRolesResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn preview_access(&self, _: Request<PreviewAccessRequest>) -> Result<Response<PreviewAccessResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn list_standings(&self, _: Request<ListStandingsRequest>) -> Result<Response<ListStandingsResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn get_tree_rules(&self, _: Request<GetTreeRulesRequest>) -> Result<Response<TreeRules>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}

/// A role catalog that is running.
pub(crate) struct Catalog {
    pub(crate) catalog: RoleCatalog,
    pub(crate) ledger: Ledger,
    channel: Channel,
    world: Arc<Mutex<World>>,
    url: String,
}

impl Catalog {
    pub(crate) async fn start(store: &TestStore) -> Self {
        let ledger = Ledger::open(StoreConfig { max_connections: 4, ..StoreConfig::new(&store.url) }).await.unwrap();
        let world = World {
            role_model: "roleModels/media-marketplace".to_owned(),
            role_model_revision: 1,
            kind: "marketer",
            bindings_in_use: 0,
            refusing: false,
            finds_definitions_invalid: false,
            asked: Vec::new(),
        };
        let world = Arc::new(Mutex::new(world));
        let authz = Granting { ledger: ledger.clone(), world: world.clone() };
        let authz = run(|server| server.add_service(PermitServiceServer::new(authz))).await;
        let catalog = RoleCatalog::open(ledger.clone(), Guard::new(authz, "services/role-catalog"), PageKey::new([7; 32])).await.unwrap();
        let channel = run(|server| catalog.add_to(server)).await;
        Self { catalog, ledger, channel, world, url: store.url.clone() }
    }

    pub(crate) fn role_models(&self) -> RoleModelServiceClient<Channel> {
        RoleModelServiceClient::new(self.channel.clone()).max_decoding_message_size(8 * 1024 * 1024)
    }

    pub(crate) fn roles(&self) -> RoleServiceClient<Channel> {
        RoleServiceClient::new(self.channel.clone())
    }

    pub(crate) fn permissions(&self) -> PermissionServiceClient<Channel> {
        PermissionServiceClient::new(self.channel.clone())
    }

    pub(crate) fn access_matrices(&self) -> AccessMatrixServiceClient<Channel> {
        AccessMatrixServiceClient::new(self.channel.clone())
    }

    /// Of the database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What authz says, to be changed.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The number of commits.
    pub(crate) async fn commits(&self) -> u64 {
        self.ledger.head().await.unwrap().revision
    }

    /// The keys of the feed that have a state.
    pub(crate) async fn feed(&self) -> Vec<(String, Record)> {
        use prost::Message;
        let reader = self.ledger.reader();
        let sql = "SELECT key, payload FROM feed_state WHERE payload IS NOT NULL ORDER BY key";
        let rows = reader.query_all_raw(Statement::from_string(reader.get_database_backend(), sql)).await.unwrap();
        rows.iter()
            .map(|row| {
                let key = String::from_utf8(row.try_get::<Vec<u8>>("", "key").unwrap()).unwrap();
                (key, Record::decode(row.try_get::<Vec<u8>>("", "payload").unwrap().as_slice()).unwrap())
            })
            .collect()
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let reader = self.ledger.reader();
        let sql = format!("SELECT count(*) AS n FROM {table}");
        reader.query_one_raw(Statement::from_string(reader.get_database_backend(), sql)).await.unwrap().unwrap().try_get("", "n").unwrap()
    }

    /// As many processes as the store allows; authz, which they have no need of, cannot be reached from the others.
    pub(crate) async fn processes(&self) -> Vec<RoleCatalog> {
        let mut processes = vec![self.catalog.clone()];
        if self.ledger.backend() == DbBackend::Postgres {
            for _ in 0..3 {
                let ledger = Ledger::open(StoreConfig { max_connections: 2, ..StoreConfig::new(&self.url) }).await.unwrap();
                let nowhere = Channel::from_static("http://127.0.0.1:1").connect_lazy();
                let guard = Guard::new(nowhere, "services/role-catalog");
                processes.push(RoleCatalog::open(ledger, guard, PageKey::new([7; 32])).await.unwrap());
            }
        }
        processes
    }
}

async fn run(add: impl FnOnce(Server) -> Server) -> Channel {
    let (server, channel) = Server::in_memory(ServerConfig::default(), Identification::new(&IdentityConfig::default()));
    let bound = add(server).bind().await.unwrap();
    tokio::spawn(bound.serve(std::future::pending()));
    channel
}

/// A call on behalf of somebody.
pub(crate) fn by<T>(actor: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("on-behalf-of", actor.parse().unwrap());
    request
}

pub(crate) fn ann<T>(message: T) -> Request<T> {
    by("users/ann", message)
}

/// The code and the reason of a refusal.
#[track_caller]
pub(crate) fn refused<T>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.err().expect("it was not refused");
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default();
    (status.code(), reason)
}

#[track_caller]
pub(crate) fn violations<T>(answer: Result<T, Status>) -> Vec<(String, String)> {
    let status = answer.err().expect("it was not refused");
    let details = status.get_error_details();
    let violations = details.bad_request().expect("no field is wrong").field_violations.iter();
    violations.map(|violation| (violation.field.clone(), violation.description.clone())).collect()
}
