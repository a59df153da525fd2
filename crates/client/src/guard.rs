//! Permits: the verdict of authz that an actor may do something to Tenantry itself, and what that verdict rests on.

mod reach;

use std::time::Duration;

use api::{
    authz::v1::{
        self as wire, AnyOf, Assign, Change, FilterPermittedRequest, GetPermitRequest, GetTreeRulesRequest, Known,
        ListAssignableRolesRequest, ListAssignableRolesResponse, ListPermittedRequest, ListStandingsRequest, ListStandingsResponse, Move,
        PermissionOn, Platform, PreviewAccessRequest, PreviewAccessResponse, Requirement, Restore, Terms, TreeRules, WidenPartnership,
        permit_service_client::PermitServiceClient, requirement::Kind,
    },
    feed::v1::{GroupEdgeState, Record, RoleBindingState},
};
use tokio::time::Instant;
use tonic::{Request, Status, transport::Channel};

use crate::token::Token;

/// The name of the metadata entry by which Tenantry's services say who they are to each other.
pub const CALLER: &str = "tenantry-caller";

/// The least time that authz is given, however short its caller's.
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);

/// Asks authz for permits on behalf of one of Tenantry's services. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard {
    permits: PermitServiceClient<Channel>,
    caller: &'static str,
}

/// What an actor wants to do: all of `requirements`.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Names in the trees that are to be written, or of what is in no tree: `users/ann`, `roleModels/m`.
    pub trees: Vec<String>,
    /// What the actor wants.
    pub requirements: Vec<Requirement>,
    /// What is about to be created in the same commit, as if it were there.
    pub hypothetical: Vec<Record>,
}

impl Ask {
    /// Something to be done in the tree of `node`, or to what is in no tree.
    pub fn writing(node: impl Into<String>) -> Self {
        Self { trees: vec![node.into()], ..Self::default() }
    }

    /// Also writes in this tree.
    #[must_use]
    pub fn also_writing(mut self, node: impl Into<String>) -> Self {
        self.trees.push(node.into());
        self
    }

    /// Also wants this.
    #[must_use]
    pub fn to(mut self, requirement: Requirement) -> Self {
        self.requirements.push(requirement);
        self
    }

    /// As if this were there.
    #[must_use]
    pub fn given(mut self, record: Record) -> Self {
        self.hypothetical.push(record);
        self
    }
}

fn requirement(kind: Kind) -> Requirement {
    Requirement { kind: Some(kind) }
}

/// A permission on a node.
pub fn permission(permission: impl Into<String>, node: impl Into<String>) -> Requirement {
    requirement(Kind::Permission(PermissionOn { permission: permission.into(), node: node.into() }))
}

/// To assign a role binding.
pub fn assign(binding: RoleBindingState) -> Requirement {
    requirement(Kind::Assign(Assign { binding: Some(binding), invite: false }))
}

/// To invite to a role binding.
pub fn invite(binding: RoleBindingState) -> Requirement {
    requirement(Kind::Assign(Assign { binding: Some(binding), invite: true }))
}

/// To revoke a role binding.
pub fn revoke(binding: impl Into<String>) -> Requirement {
    requirement(Kind::Revoke(binding.into()))
}

/// To change a role binding.
pub fn change(binding: impl Into<String>, to: RoleBindingState) -> Requirement {
    requirement(Kind::Change(Change { name: binding.into(), to: Some(to) }))
}

/// To change a partnership, given as it is to be, so that a binding which it sponsors reaches further.
pub fn widen_partnership(binding: impl Into<String>, to: Record) -> Requirement {
    requirement(Kind::WidenPartnership(WidenPartnership { binding: binding.into(), to: Some(to) }))
}

/// To put a principal into a group.
pub fn join_group(group: impl Into<String>, member: impl Into<String>) -> Requirement {
    requirement(Kind::JoinGroup(GroupEdgeState { group: group.into(), member: member.into() }))
}

/// To take a principal out of a group.
pub fn leave_group(group: impl Into<String>, member: impl Into<String>) -> Requirement {
    requirement(Kind::LeaveGroup(GroupEdgeState { group: group.into(), member: member.into() }))
}

/// To create or replace a custom role.
pub fn define_role(role: Record) -> Requirement {
    requirement(Kind::DefineRole(role))
}

/// To delete a custom role.
pub fn delete_role(role: impl Into<String>) -> Requirement {
    requirement(Kind::DeleteRole(role.into()))
}

/// To give a registered node another parent: an account or an organization, given as it is to be.
///
/// Judged against the world as it is. Whatever else is asked about the node in the same [`Ask`] is asked of the world with `hypothetical` in it: do
/// not give the moved node there, or permissions on it are those that it would have in its new place.
pub fn move_node(to: Record) -> Requirement {
    requirement(Kind::Move(Move { to: Some(to) }))
}

/// To bring a deleted node back, given as it is to be.
pub fn restore_node(to: Record) -> Requirement {
    requirement(Kind::Restore(Restore { to: Some(to) }))
}

/// To be the platform.
pub fn platform() -> Requirement {
    requirement(Kind::Platform(Platform {}))
}

/// To be this user, or the platform.
pub fn myself(user: impl Into<String>) -> Requirement {
    requirement(Kind::Myself(user.into()))
}

/// To be an active user, or the platform.
pub fn known() -> Requirement {
    requirement(Kind::Known(Known {}))
}

/// At least one of these.
pub fn any_of(requirements: impl IntoIterator<Item = Requirement>) -> Requirement {
    requirement(Kind::AnyOf(AnyOf { requirements: requirements.into_iter().collect() }))
}

/// That an actor may do what it asked, as of the stamps. A write spends it under locks on their trees; see `ledger`.
#[derive(Clone, Debug)]
pub struct Permit {
    guard: Guard,
    actor: String,
    ask: Ask,
    granted: wire::Permit,
}

impl Guard {
    /// Asks over `authz` in the name of one of Tenantry's services: `services/directory`.
    pub fn new(authz: Channel, caller: &'static str) -> Self {
        Self { permits: PermitServiceClient::new(authz), caller }
    }

    /// Gets a permit decided on a view at least as fresh as `at_least` (none: whatever the replica has), or authz's refusal as it came;
    /// UNAVAILABLE (NOT_READY) where authz cannot be reached or does not answer in time.
    pub async fn require(&self, actor: &str, ask: Ask, at_least: Option<Token>, deadline: Instant) -> Result<Permit, Status> {
        let granted = self.ask(actor, &ask, at_least, deadline).await?;
        Ok(Permit { guard: self.clone(), actor: actor.to_owned(), ask, granted })
    }

    /// Those of some nodes on which the actor has a permission, on a view at least as fresh as `at_least`, in the order given. At most 1,000.
    pub async fn filter(
        &self,
        actor: &str,
        permission: &str,
        nodes: Vec<String>,
        at_least: Token,
        deadline: Instant,
    ) -> Result<Vec<String>, Status> {
        if nodes.is_empty() {
            return Ok(nodes);
        }
        let message = || FilterPermittedRequest {
            actor: actor.to_owned(),
            permission: permission.to_owned(),
            nodes: nodes.clone(),
            at_least_as_fresh: at_least.to_string(),
        };
        let call = |mut permits: PermitServiceClient<Channel>, request| async move { permits.filter_permitted(request).await };
        let answer = reach::within(deadline, |until| call(self.permits.clone(), self.request(message(), until))).await?;
        Ok(answer.into_inner().nodes)
    }

    /// The registered nodes of a type (`organization`, `workspace` or `account`) on which a user has a permission, at and below `parent` if
    /// given, after the name `after`: at most `limit` (1 to 1,000) of them, ascending by name, and whether there are more. The platform has every
    /// one, deleted ones too.
    #[expect(clippy::too_many_arguments, reason = "one question, and how to ask it")]
    pub async fn list_permitted(
        &self,
        user: &str,
        permission: &str,
        node_type: &str,
        parent: Option<&str>,
        after: Option<&str>,
        limit: usize,
        at_least: Token,
        deadline: Instant,
    ) -> Result<(Vec<String>, bool), Status> {
        let mut nodes: Vec<String> = Vec::new();
        let mut after = after.unwrap_or_default().to_owned();
        loop {
            let message = || ListPermittedRequest {
                user: user.to_owned(),
                permission: permission.to_owned(),
                node_type: node_type.to_owned(),
                parent: parent.unwrap_or_default().to_owned(),
                after: after.clone(),
                limit: u32::try_from(limit.saturating_sub(nodes.len())).unwrap_or(u32::MAX),
                at_least_as_fresh: at_least.to_string(),
            };
            let call = |mut permits: PermitServiceClient<Channel>, request| async move { permits.list_permitted(request).await };
            let answer = reach::within(deadline, |until| call(self.permits.clone(), self.request(message(), until))).await?.into_inner();
            nodes.extend(answer.nodes);
            if answer.next_after.is_empty() {
                return Ok((nodes, false));
            }
            // A part may be short, where many were looked at and few found.
            if nodes.len() >= limit {
                return Ok((nodes, true));
            }
            after = answer.next_after;
        }
    }

    /// What users hold at nodes (at most 1,000 pairs), on a view at least as fresh as `at_least`; without users, which roles reach the first of the
    /// nodes from above. Checks nobody's authority.
    pub async fn list_standings(
        &self,
        nodes: Vec<String>,
        users: Vec<String>,
        at_least: Token,
        deadline: Instant,
    ) -> Result<ListStandingsResponse, Status> {
        let at_least_as_fresh = at_least.to_string();
        self.standings(ListStandingsRequest { nodes, users, at_least_as_fresh, with_participations: false }, deadline).await
    }

    /// What users hold at a node, what they are to its organization, and what they hold there and below, on a view at least as fresh as `at_least`. At most
    /// 1,000 users. Checks nobody's authority.
    pub async fn list_participations(
        &self,
        node: String,
        users: Vec<String>,
        at_least: Token,
        deadline: Instant,
    ) -> Result<ListStandingsResponse, Status> {
        let at_least_as_fresh = at_least.to_string();
        self.standings(ListStandingsRequest { nodes: vec![node], users, at_least_as_fresh, with_participations: true }, deadline).await
    }

    async fn standings(&self, request: ListStandingsRequest, deadline: Instant) -> Result<ListStandingsResponse, Status> {
        let call = |mut permits: PermitServiceClient<Channel>, request| async move { permits.list_standings(request).await };
        let answer = reach::within(deadline, |until| call(self.permits.clone(), self.request(request.clone(), until))).await?;
        Ok(answer.into_inner())
    }

    /// Every role that can be held at a node, and whether the actor may give it there. PERMISSION_DENIED where nothing at the node may be known
    /// to the actor.
    pub async fn list_assignable_roles(
        &self,
        request: ListAssignableRolesRequest,
        deadline: Instant,
    ) -> Result<ListAssignableRolesResponse, Status> {
        let call = |mut permits: PermitServiceClient<Channel>, request| async move { permits.list_assignable_roles(request).await };
        let answer = reach::within(deadline, |until| call(self.permits.clone(), self.request(request.clone(), until))).await?;
        Ok(answer.into_inner())
    }

    /// Who would gain and lose which permission at some nodes (1 to 100) and below, if these records were so (one without a state: gone): at most
    /// `most` (1 to 10,000) changes of access. Checks nobody's authority.
    pub async fn preview_access(
        &self,
        hypothetical: Vec<Record>,
        nodes: Vec<String>,
        most: u32,
        at_least: Token,
        deadline: Instant,
    ) -> Result<PreviewAccessResponse, Status> {
        let message = || PreviewAccessRequest {
            hypothetical: hypothetical.clone(),
            nodes: nodes.clone(),
            most,
            at_least_as_fresh: at_least.to_string(),
        };
        let call = |mut permits: PermitServiceClient<Channel>, request| async move { permits.preview_access(request).await };
        let answer = reach::within(deadline, |until| call(self.permits.clone(), self.request(message(), until))).await?;
        Ok(answer.into_inner())
    }

    /// What the role model of the tree that a node is in says, on a view at least as fresh as `at_least`. NOT_FOUND where there is no such tree.
    pub async fn tree_rules(&self, tree: &str, at_least: Token, deadline: Instant) -> Result<TreeRules, Status> {
        let message = || GetTreeRulesRequest { tree: tree.to_owned(), at_least_as_fresh: at_least.to_string() };
        let call = |mut permits: PermitServiceClient<Channel>, request| async move { permits.get_tree_rules(request).await };
        let answer = reach::within(deadline, |until| call(self.permits.clone(), self.request(message(), until))).await?;
        Ok(answer.into_inner())
    }

    async fn ask(&self, actor: &str, ask: &Ask, at_least: Option<Token>, deadline: Instant) -> Result<wire::Permit, Status> {
        let message = || GetPermitRequest {
            actor: actor.to_owned(),
            requirements: ask.requirements.clone(),
            hypothetical: ask.hypothetical.clone(),
            at_least_as_fresh: at_least.map(|token| token.to_string()).unwrap_or_default(),
            trees: ask.trees.clone(),
        };
        let call = |mut permits: PermitServiceClient<Channel>, request| async move { permits.get_permit(request).await };
        let answer = reach::within(deadline, |until| call(self.permits.clone(), self.request(message(), until))).await?;
        Ok(answer.into_inner())
    }

    fn request<T>(&self, message: T, deadline: Instant) -> Request<T> {
        let mut request = Request::new(message);
        // A call that is out of time is reset, which costs the connection that all share; permits are given sooner than that.
        request.set_timeout(deadline.saturating_duration_since(Instant::now()).max(LEAST_TIMEOUT));
        request.metadata_mut().insert(CALLER, tonic::metadata::MetadataValue::from_static(self.caller));
        request
    }
}

impl Permit {
    /// Who may.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// What authz said.
    pub fn granted(&self) -> &wire::Permit {
        &self.granted
    }

    /// What the writer must keep to for the requirement at this index.
    pub fn terms(&self, index: usize) -> Option<&Terms> {
        self.granted.terms.get(index)
    }

    /// Asks again on a view at least as fresh as `at_least`; the answer replaces the one before.
    pub async fn renew(&mut self, at_least: Token, deadline: Instant) -> Result<(), Status> {
        self.granted = self.guard.ask(&self.actor, &self.ask, Some(at_least), deadline).await?;
        Ok(())
    }
}
