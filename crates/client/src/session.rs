//! A connection on behalf of somebody, and the stubs over it.

use std::time::Duration;

use api::{
    authz::v1::check_service_client::CheckServiceClient,
    directory::v1::{
        account_service_client::AccountServiceClient, audit_service_client::AuditServiceClient,
        ceiling_service_client::CeilingServiceClient, group_service_client::GroupServiceClient,
        identity_service_client::IdentityServiceClient, import_service_client::ImportServiceClient,
        invariant_service_client::InvariantServiceClient, invitation_service_client::InvitationServiceClient,
        member_service_client::MemberServiceClient, organization_service_client::OrganizationServiceClient,
        partnership_service_client::PartnershipServiceClient, resource_service_client::ResourceServiceClient,
        role_binding_service_client::RoleBindingServiceClient, roster_service_client::RosterServiceClient,
        user_service_client::UserServiceClient, workspace_service_client::WorkspaceServiceClient,
    },
    rolecatalog::v1::{
        access_matrix_service_client::AccessMatrixServiceClient, permission_service_client::PermissionServiceClient,
        role_model_service_client::RoleModelServiceClient, role_service_client::RoleServiceClient,
    },
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// The name of the metadata entry that says on whose behalf a call is made.
pub const ON_BEHALF_OF: &str = "on-behalf-of";

/// How long a call may take that was given no timeout of its own.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Says with each call on whose behalf it is made.
#[derive(Clone, Debug)]
pub struct OnBehalfOf(Option<MetadataValue<Ascii>>);

impl Interceptor for OnBehalfOf {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(actor) = &self.0 {
            request.metadata_mut().insert(ON_BEHALF_OF, actor.clone());
        }
        Ok(request)
    }
}

/// A service's stub reached through a session.
pub type Through = InterceptedService<Channel, OnBehalfOf>;

/// The three services at one address each (often the same), and on whose behalf they are called. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Session {
    directory: Channel,
    role_catalog: Channel,
    authz: Channel,
    on_behalf_of: OnBehalfOf,
}

/// A lazy channel to `http://host:port`: connects at the first call, and again when the connection is lost.
pub fn channel(address: &str) -> Result<Channel, tonic::transport::Error> {
    Ok(Endpoint::from_shared(address.to_owned())?
        .connect_timeout(Duration::from_secs(5))
        .timeout(DEFAULT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .connect_lazy())
}

macro_rules! stubs {
    ($($(#[$doc:meta])* $name:ident: $client:ident over $field:ident;)+) => {
        impl Session {
            $($(#[$doc])* pub fn $name(&self) -> $client<Through> {
                $client::with_interceptor(self.$field.clone(), self.on_behalf_of.clone())
            })+
        }
    };
}

stubs! {
    /// Organizations.
    organizations: OrganizationServiceClient over directory;
    /// Workspaces.
    workspaces: WorkspaceServiceClient over directory;
    /// Accounts.
    accounts: AccountServiceClient over directory;
    /// Registered resources.
    resources: ResourceServiceClient over directory;
    /// Users.
    users: UserServiceClient over directory;
    /// Identities and their issuers.
    identities: IdentityServiceClient over directory;
    /// Members.
    members: MemberServiceClient over directory;
    /// Groups.
    groups: GroupServiceClient over directory;
    /// Partnerships.
    partnerships: PartnershipServiceClient over directory;
    /// Role bindings.
    role_bindings: RoleBindingServiceClient over directory;
    /// Invitations.
    invitations: InvitationServiceClient over directory;
    /// Violations of invariants.
    invariants: InvariantServiceClient over directory;
    /// Rosters and pages.
    rosters: RosterServiceClient over directory;
    /// Ceilings.
    ceilings: CeilingServiceClient over directory;
    /// The audit trail.
    audit: AuditServiceClient over directory;
    /// Import and export.
    import: ImportServiceClient over directory;
    /// Role models.
    role_models: RoleModelServiceClient over role_catalog;
    /// Roles.
    roles: RoleServiceClient over role_catalog;
    /// The permission catalogue.
    permissions: PermissionServiceClient over role_catalog;
    /// Access matrices.
    access_matrices: AccessMatrixServiceClient over role_catalog;
    /// Decisions.
    checks: CheckServiceClient over authz;
}

impl Session {
    /// Calls over these channels, on nobody's behalf.
    pub fn new(directory: Channel, role_catalog: Channel, authz: Channel) -> Self {
        Self { directory, role_catalog, authz, on_behalf_of: OnBehalfOf(None) }
    }

    /// Calls all three services at one address: `http://127.0.0.1:7070`.
    pub fn at(address: &str) -> Result<Self, tonic::transport::Error> {
        let channel = channel(address)?;
        Ok(Self::new(channel.clone(), channel.clone(), channel))
    }

    /// The same on behalf of a user: `users/ann`.
    pub fn on_behalf_of(&self, actor: &str) -> Result<Self, InvalidMetadataValue> {
        Ok(Self { on_behalf_of: OnBehalfOf(Some(actor.parse()?)), ..self.clone() })
    }

    /// The same on nobody's behalf: a service's own question.
    pub fn on_nobodys_behalf(&self) -> Self {
        Self { on_behalf_of: OnBehalfOf(None), ..self.clone() }
    }
}
