//! Makes up calls: some make sense, some are hostile.

use std::collections::BTreeMap;

use api::{directory::v1::*, feed::v1::ComponentLevels, rolecatalog::v1 as catalog};
use decision::{
    document::Document,
    name::{NodeKind, NodeName, RoleName, RoleOwner, UserName},
    record::{NodeState, Record},
};

use crate::{
    calls::{Call, Dice, Sent},
    world::{Moment, type_of},
};

/// Makes up calls about what there is.
pub struct Maker<'d, 'm> {
    pub dice: &'d mut Dice,
    pub now: &'d Moment<'m>,
    /// Of the tenants.
    pub number: usize,
    /// For names that were never used.
    pub fresh: &'d mut usize,
    /// Where the actor stands; most calls are about it.
    pub home: Option<NodeName>,
    /// Whoever will make the call.
    pub actor: &'d UserName,
    /// The addresses of the users who have one.
    pub emails: &'d BTreeMap<UserName, String>,
    /// The invitations sent so far, and those tokens that were replaced.
    pub sent: &'d [Sent],
}

impl Maker<'_, '_> {
    fn fresh(&mut self, prefix: &str) -> String {
        *self.fresh += 1;
        format!("{prefix}-{}", self.fresh)
    }

    /// One of some names: mostly of where the actor stands.
    fn near(&mut self, names: Vec<String>) -> String {
        let tree = self.home.clone();
        let at_home = |name: &&String| tree.as_ref().is_some_and(|tree| name.starts_with(&format!("{tree}/")) || *name == tree.as_str());
        let home: Vec<String> = names.iter().filter(at_home).cloned().collect();
        let from = if self.dice.percent(88) && !home.is_empty() { home } else { names };
        self.dice.pick(&from).cloned().unwrap_or_else(|| format!("organizations/none{}", self.number))
    }

    fn named(&self, pick: impl Fn(&Record) -> Option<String>) -> Vec<String> {
        self.now.records.values().filter_map(pick).collect()
    }

    fn nodes(&self, kinds: &[NodeKind<'_>]) -> Vec<String> {
        self.named(|record| match record {
            Record::Node(node) if kinds.contains(&node.name.kind()) => Some(node.name.to_string()),
            _ => None,
        })
    }

    fn organization(&mut self) -> String {
        let names = self.nodes(&[NodeKind::Organization]);
        self.near(names)
    }

    /// One that is suspended, if there is one; sometimes any.
    fn closed_organization(&mut self) -> String {
        let suspended = self.now.records.values().filter_map(|record| match record {
            Record::Node(node) if node.state == NodeState::Suspended => Some(node.name.to_string()),
            _ => None,
        });
        let suspended: Vec<String> = suspended.collect();
        match self.dice.pick(&suspended) {
            Some(name) if self.dice.percent(80) => name.clone(),
            _ => self.organization(),
        }
    }

    /// One that is deleted, if there is one; sometimes any.
    fn deleted(&mut self, kind: NodeKind<'_>) -> String {
        let deleted = self.named(|record| match record {
            Record::Node(node) if node.state == NodeState::Deleted && node.name.kind() == kind => Some(node.name.to_string()),
            _ => None,
        });
        if deleted.is_empty() || self.dice.percent(10) {
            let any = self.nodes(&[kind]);
            return self.near(any);
        }
        self.near(deleted)
    }

    fn customer(&mut self) -> String {
        let customers = self.named(|record| match record {
            Record::Node(node) if node.name.kind() == NodeKind::Organization && node.parent.is_some() => Some(node.name.to_string()),
            _ => None,
        });
        if self.dice.percent(5) { self.organization() } else { self.dice.pick(&customers).cloned().unwrap_or_default() }
    }

    /// A token: mostly one of the actor's own.
    fn token(&mut self) -> String {
        let email = self.emails.get(self.actor);
        let own: Vec<&Sent> = self.sent.iter().filter(|sent| Some(&sent.email) == email).collect();
        // The latest, mostly: it is the one that may still be open.
        if let Some(last) = own.last()
            && self.dice.percent(70)
        {
            return last.token.clone();
        }
        let other = if self.dice.percent(70) { self.dice.pick(&own).map(|sent| sent.token.clone()) } else { None };
        let any = self.dice.pick(self.sent).map(|sent| sent.token.clone());
        other.or(any).unwrap_or_else(|| "A".repeat(43))
    }

    fn invitation(&mut self) -> String {
        let names = self.sent.iter().map(|sent| sent.name.clone()).collect();
        self.near(names)
    }

    /// Somebody's address: of a user, or of nobody yet.
    fn email(&mut self) -> String {
        let user = UserName::parse(&self.user()).ok();
        match user.and_then(|user| self.emails.get(&user)) {
            Some(email) if self.dice.percent(90) => email.clone(),
            _ => format!("{}@none.example", self.fresh("guest")),
        }
    }

    fn workspace(&mut self) -> String {
        let names = self.nodes(&[NodeKind::Workspace]);
        self.near(names)
    }

    fn account(&mut self) -> String {
        let names = self.nodes(&[NodeKind::Account]);
        self.near(names)
    }

    fn container(&mut self) -> String {
        let names = self.nodes(&[NodeKind::Organization, NodeKind::Workspace, NodeKind::Account]);
        self.near(names)
    }

    fn leaf(&mut self) -> String {
        let names = self.named(|record| match record {
            Record::Node(node) if !node.name.is_container() => Some(node.name.to_string()),
            _ => None,
        });
        self.near(names)
    }

    fn user(&mut self) -> String {
        let users = self.now.users();
        let home = self.home.clone();
        let members: Vec<UserName> =
            users.iter().filter(|user| home.as_ref().is_some_and(|home| self.now.homes(user).contains(home))).cloned().collect();
        if self.dice.percent(50)
            && let Some(member) = self.dice.pick(&members)
        {
            return member.to_string();
        }
        self.dice.pick(&users).map(UserName::to_string).unwrap_or_default()
    }

    fn group(&mut self) -> String {
        let mut names = self.named(|record| match record {
            Record::GroupEdge(edge) => Some(edge.group.to_string()),
            Record::Binding(binding) if binding.principal.to_string().contains("/groups/") => Some(binding.principal.to_string()),
            _ => None,
        });
        names.dedup();
        // Those that nobody is in, and that hold nothing, are not in the records; they are called by numbers.
        if *self.fresh > 0 && self.dice.percent(30) {
            let (home, number) = (self.organization(), self.dice.roll(*self.fresh) + 1);
            return format!("{home}/groups/g-{number}");
        }
        self.near(names)
    }

    fn binding(&mut self) -> String {
        let names = self.named(|record| if let Record::Binding(one) = record { Some(one.name.to_string()) } else { None });
        self.near(names)
    }

    fn partnership(&mut self) -> String {
        let names = self.named(|record| if let Record::Partnership(one) = record { Some(one.name.to_string()) } else { None });
        self.near(names)
    }

    fn custom_role(&mut self) -> String {
        let names = self.named(|record| if let Record::CustomRole(one) = record { Some(one.name.to_string()) } else { None });
        self.near(names)
    }

    fn member(&mut self) -> String {
        let names = self.named(|record| if let Record::Member(one) = record { Some(one.name.to_string()) } else { None });
        self.near(names)
    }

    fn document_of(&self, node: &str) -> Option<&Document> {
        self.now.document(&NodeName::parse(node).ok()?)
    }

    /// A role for a node: mostly one that is held at such nodes.
    fn role(&mut self, node: &str) -> String {
        let Ok(name) = NodeName::parse(node) else { return "roleModels/none/roles/none".into() };
        let mut roles = Vec::new();
        if let Some(document) = self.now.document(&name) {
            let node_type = type_of(document, &name);
            let any = self.dice.percent(5);
            roles.extend(
                document
                    .roles
                    .iter()
                    .filter(|role| any || Some(role.held_at.as_str()) == node_type)
                    .map(|role| format!("roleModels/{}/roles/{}", document.model, role.id)),
            );
        }
        roles.extend(self.named(|record| match record {
            Record::CustomRole(role) => match role.name.owner() {
                RoleOwner::Organization(owner) if owner == name.organization() => Some(role.name.to_string()),
                _ => None,
            },
            _ => None,
        }));
        if self.dice.percent(3) {
            return self.custom_role();
        }
        // Mostly one that the actor may give: what is refused changes nothing.
        if self.dice.percent(70) {
            let may_give =
                |role: &String| self.gives_with(role, &name).is_some_and(|permission| self.now.may(self.actor, &permission, &name));
            let given: Vec<String> = roles.iter().filter(|role| may_give(role)).cloned().collect();
            roles = if given.is_empty() { roles } else { given };
        }
        self.dice.pick(&roles).cloned().unwrap_or_else(|| "roleModels/ad-platform/roles/super-admin".into())
    }

    /// The permission by which a role is given.
    fn gives_with(&self, role: &str, node: &NodeName) -> Option<String> {
        let role = RoleName::parse(role).ok()?;
        match self.now.system_role(&role, node) {
            Some(role) => Some(role.assign_with.clone()),
            None => self.now.document(node)?.custom_roles.as_ref().map(|custom| custom.assign_with.clone()),
        }
    }

    /// One that partners hold, where the model has such.
    fn role_of_partners(&mut self, node: &str) -> String {
        let role = self.role(node);
        match role.strip_prefix("roleModels/ad-platform/roles/") {
            Some(id) if self.dice.percent(85) => {
                let id = if id.starts_with("account") || node.contains("/accounts/") { "account-partner" } else { "org-partner" };
                format!("roleModels/ad-platform/roles/{id}")
            }
            _ => role,
        }
    }

    fn levels(&mut self, node: &str) -> Option<ComponentLevels> {
        let components: Vec<String> =
            self.document_of(node).map(|document| document.components.iter().map(|one| one.id.clone()).collect()).unwrap_or_default();
        let mut levels = ComponentLevels::default();
        for component in components {
            if self.dice.percent(35) {
                let level = ["view", "edit", "edit"][self.dice.roll(3)];
                levels.levels.insert(component, level.to_owned());
            }
        }
        Some(levels)
    }

    /// A component map, where the role seems to want one.
    fn map_for(&mut self, node: &str, role: &str) -> Option<ComponentLevels> {
        let id = role.rsplit('/').next().unwrap_or_default();
        let wants = ["org-standard", "account-standard", "org-partner", "account-partner", "workspace-user", "customer-manager"];
        if wants.contains(&id) != self.dice.percent(5) { self.levels(node) } else { None }
    }

    fn grants(&mut self, node: &str) -> Vec<catalog::role_model_document::Grant> {
        let permissions: Vec<String> =
            self.document_of(node).map(|document| document.permissions.iter().map(|one| one.id.clone()).collect()).unwrap_or_default();
        let mut chosen = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            chosen.extend(self.dice.pick(&permissions).cloned());
        }
        chosen.sort();
        chosen.dedup();
        vec![catalog::role_model_document::Grant { permissions: chosen, ..Default::default() }]
    }

    fn principal(&mut self) -> String {
        match self.dice.roll(20) {
            0 => self.organization(),
            1..=3 => self.group(),
            4 if self.dice.percent(20) => "anyone".into(),
            _ => self.user(),
        }
    }

    fn hour(&mut self) -> Option<prost_types::Timestamp> {
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(36_000 * (1 + self.dice.roll(3) as u64));
        self.dice.percent(10).then(|| later.into())
    }

    /// A sponsor, where one makes sense.
    fn sponsor(&mut self, node: &str) -> String {
        let organization = node.split('/').take(2).collect::<Vec<_>>().join("/");
        let partnerships = self.named(|record| match record {
            Record::Partnership(one) if one.name.organization().as_str() == organization => Some(one.name.to_string()),
            _ => None,
        });
        let above = NodeName::parse(&organization).ok().and_then(|name| self.now.parent(&name)).map(|name| name.to_string());
        if self.dice.percent(4) {
            return self.partnership();
        }
        let sponsors: Vec<String> = partnerships.into_iter().chain(above).collect();
        if self.dice.percent(30) { self.dice.pick(&sponsors).cloned().unwrap_or_default() } else { String::new() }
    }

    fn etag(&mut self) -> String {
        if self.dice.percent(4) { "7777".into() } else { String::new() }
    }

    /// A call.
    pub fn make(&mut self) -> Call {
        let mark = format!("mark-none{}", self.number);
        match self.dice.roll(100) {
            0..=15 => self.give(),
            16..=19 => {
                let name = self.binding();
                let Some(Record::Binding(present)) = self.now.records.get(&name) else { return self.give() };
                let node = present.node.to_string();
                let role = self.role(&node);
                let components = self.map_for(&node, &role);
                let paths = vec!["role".into(), "components".into(), "expire_time".into()];
                let role_binding =
                    RoleBinding { name, role, components, expire_time: self.hour(), etag: self.etag(), ..Default::default() };
                let update_mask = Some(prost_types::FieldMask { paths });
                Call::UpdateRoleBinding(UpdateRoleBindingRequest { role_binding: Some(role_binding), update_mask, ..Default::default() })
            }
            20..=24 => Call::DeleteRoleBinding(DeleteRoleBindingRequest { name: self.binding(), etag: self.etag(), ..Default::default() }),
            25..=28 => {
                let parent = self.organization();
                let roles = if self.dice.percent(40) { self.member_roles(&parent) } else { Vec::new() };
                Call::CreateMember(CreateMemberRequest { parent, user: self.user(), roles, ..Default::default() })
            }
            29..=31 => {
                let name = self.member();
                let suspended = matches!(self.now.records.get(&name), Some(Record::Member(one)) if one.suspended);
                let state = if suspended || self.dice.percent(10) { member::State::Active } else { member::State::Suspended };
                let parent = name.split("/members/").next().unwrap_or_default().to_owned();
                let mut member = Member { name, state: state.into(), ..Default::default() };
                let mut update_mask = None;
                if self.dice.percent(50) {
                    member.roles = self.member_roles(&parent);
                    let paths = if self.dice.percent(80) { vec!["roles".into()] } else { vec!["roles".into(), "state".into()] };
                    update_mask = Some(prost_types::FieldMask { paths });
                }
                Call::UpdateMember(UpdateMemberRequest { member: Some(member), update_mask, ..Default::default() })
            }
            32..=33 => Call::DeleteMember(DeleteMemberRequest { name: self.member(), ..Default::default() }),
            34..=35 => {
                let group_id = self.fresh("g");
                let group = Some(Group { display_name: mark, ..Default::default() });
                Call::CreateGroup(CreateGroupRequest { parent: self.organization(), group_id, group, ..Default::default() })
            }
            36..=40 => {
                let member = if self.dice.percent(35) { self.group() } else { self.user() };
                Call::AddGroupMember(AddGroupMemberRequest { group: self.group(), member, ..Default::default() })
            }
            41..=42 => {
                let edges = self.named(|record| if let Record::GroupEdge(_) = record { Some(record.key()) } else { None });
                let edge = self.near(edges);
                let (group, member) = edge.split_once('#').unwrap_or((&edge, "users/none"));
                let request = RemoveGroupMemberRequest { group: group.to_owned(), member: member.to_owned(), ..Default::default() };
                Call::RemoveGroupMember(request)
            }
            43 => Call::DeleteGroup(DeleteGroupRequest { name: self.group(), ..Default::default() }),
            44..=46 => {
                let node = if self.dice.percent(50) { self.account() } else { self.organization() };
                // Partners are elsewhere.
                let organizations = self.nodes(&[NodeKind::Organization]);
                let partner = self.dice.pick(&organizations).cloned().unwrap_or_default();
                let partnership = Partnership {
                    partner,
                    roles: vec![self.role_of_partners(&node)],
                    components: if self.dice.percent(60) { self.levels(&node) } else { None },
                    expire_time: self.hour(),
                    ..Default::default()
                };
                let parent = node.split('/').take(2).collect::<Vec<_>>().join("/");
                let partnership = Some(Partnership { node, ..partnership });
                let partnership_id = self.fresh("p");
                Call::CreatePartnership(CreatePartnershipRequest { parent, partnership_id, partnership, ..Default::default() })
            }
            47..=48 => Call::AcceptPartnership(AcceptPartnershipRequest { name: self.partnership(), ..Default::default() }),
            49..=51 => {
                let name = self.partnership();
                let node = name.split("/partnerships/").next().unwrap_or_default().to_owned();
                let account = format!("{node}/accounts/a1");
                let partnership = Partnership {
                    name,
                    roles: vec![self.role_of_partners(&node), self.role_of_partners(&account)],
                    components: if self.dice.percent(70) { self.levels(&node) } else { None },
                    ..Default::default()
                };
                let all = ["roles", "components", "expire_time"];
                let paths = all.into_iter().filter(|_| self.dice.percent(60)).map(str::to_owned).collect();
                let update_mask = Some(prost_types::FieldMask { paths });
                Call::UpdatePartnership(UpdatePartnershipRequest { partnership: Some(partnership), update_mask, ..Default::default() })
            }
            52 => Call::DeletePartnership(DeletePartnershipRequest { name: self.partnership(), ..Default::default() }),
            53..=55 => {
                let parent = self.organization();
                let role = catalog::Role { title: mark, held_at: "account".into(), grants: self.grants(&parent), ..Default::default() };
                let role_id = self.fresh("r");
                Call::CreateRole(catalog::CreateRoleRequest { parent, role_id, role: Some(role), ..Default::default() })
            }
            56..=58 => {
                let name = self.custom_role();
                let node = name.split("/roles/").next().unwrap_or_default().to_owned();
                let role = catalog::Role { name, grants: self.grants(&node), ..Default::default() };
                let update_mask = Some(prost_types::FieldMask { paths: vec!["grants".into()] });
                Call::UpdateRole(catalog::UpdateRoleRequest { role: Some(role), update_mask, ..Default::default() })
            }
            59 => Call::DeleteRole(catalog::DeleteRoleRequest { name: self.custom_role(), ..Default::default() }),
            60..=61 => {
                let workspace_id = format!("{}-{}", self.fresh("w"), self.number);
                let workspace = Some(Workspace { display_name: mark, ..Default::default() });
                Call::CreateWorkspace(CreateWorkspaceRequest { parent: self.organization(), workspace_id, workspace, ..Default::default() })
            }
            62 => {
                Call::DeleteWorkspace(DeleteWorkspaceRequest { name: self.workspace(), force: self.dice.percent(30), ..Default::default() })
            }
            63..=64 => {
                let parent = self.organization();
                let workspace = if self.dice.percent(40) { self.workspace() } else { String::new() };
                let account = Some(Account { display_name: mark, workspace, ..Default::default() });
                let account_id = self.fresh("a");
                Call::CreateAccount(CreateAccountRequest { parent, account_id, account, ..Default::default() })
            }
            65 => Call::DeleteAccount(DeleteAccountRequest { name: self.account(), force: self.dice.percent(30), ..Default::default() }),
            66 => Call::PauseAccount(PauseAccountRequest { name: self.account(), ..Default::default() }),
            67..=68 => Call::ResumeAccount(ResumeAccountRequest { name: self.account(), ..Default::default() }),
            69..=70 => {
                let container = self.container();
                let collections: Vec<String> = self
                    .document_of(&container)
                    .map(|document| document.types.iter().map(|one| one.collection.clone()).collect())
                    .unwrap_or_default();
                let collection = self.dice.pick(&collections).cloned().unwrap_or_else(|| "campaigns".into());
                let name = format!("{container}/{collection}/{}", self.fresh("L"));
                let resource = Some(Resource { name, ..Default::default() });
                Call::CreateResource(CreateResourceRequest { resource, ..Default::default() })
            }
            71 => Call::DeleteResource(DeleteResourceRequest { name: self.leaf(), ..Default::default() }),
            72..=74 => {
                let node = self.container();
                let components = self.levels(&node).unwrap_or_default().levels.into_keys().collect();
                let ceiling = Some(Ceiling { node, set: self.dice.percent(70), components, ..Default::default() });
                Call::SetCeiling(SetCeilingRequest { ceiling, ..Default::default() })
            }
            75 => {
                let id = format!("{}-{}", self.fresh("cust"), self.number);
                let parent = self.workspace();
                let organization = Some(Organization { display_name: mark, parent, ..Default::default() });
                let role = "roleModels/agency/roles/advertiser-admin".to_owned();
                let holders = if self.dice.percent(50) { vec![InitialHolder { user: self.user(), role }] } else { Vec::new() };
                Call::CreateOrganization(CreateOrganizationRequest { organization_id: id, organization, holders, ..Default::default() })
            }
            76 => Call::SuspendOrganization(SuspendOrganizationRequest { name: self.organization(), ..Default::default() }),
            77..=78 => {
                Call::ReactivateOrganization(ReactivateOrganizationRequest { name: self.closed_organization(), ..Default::default() })
            }
            79 if self.dice.percent(10) => {
                Call::DeleteOrganization(DeleteOrganizationRequest { name: self.organization(), ..Default::default() })
            }
            79 => {
                let user = User { name: self.user(), display_name: format!("mark-none{}", self.number), ..Default::default() };
                Call::UpdateUser(UpdateUserRequest { user: Some(user), ..Default::default() })
            }
            80 => Call::SuspendUser(SuspendUserRequest { name: self.user(), ..Default::default() }),
            81..=82 => Call::ReactivateUser(ReactivateUserRequest { name: self.user(), ..Default::default() }),
            83 => {
                let organization = Organization { name: self.organization(), display_name: mark, ..Default::default() };
                Call::UpdateOrganization(UpdateOrganizationRequest { organization: Some(organization), ..Default::default() })
            }
            84 => {
                let workspace = Workspace { name: self.workspace(), display_name: mark, ..Default::default() };
                Call::UpdateWorkspace(UpdateWorkspaceRequest { workspace: Some(workspace), ..Default::default() })
            }
            85 => {
                let account = Account { name: self.account(), display_name: mark, ..Default::default() };
                Call::UpdateAccount(UpdateAccountRequest { account: Some(account), ..Default::default() })
            }
            86 => {
                let group = Group { name: self.group(), display_name: mark, ..Default::default() };
                Call::UpdateGroup(UpdateGroupRequest { group: Some(group), ..Default::default() })
            }
            87 if self.dice.percent(20) => {
                let user_id = format!("{}-{}", self.fresh("new"), self.number);
                let user = User { email: format!("{user_id}@none.example"), display_name: mark, ..Default::default() };
                Call::CreateUser(CreateUserRequest { user_id, user: Some(user), ..Default::default() })
            }
            88..=90 => self.invite(),
            91 => match self.dice.roll(4) {
                0 => Call::RevokeInvitation(RevokeInvitationRequest { name: self.invitation(), ..Default::default() }),
                1 => Call::DeclineInvitation(DeclineInvitationRequest { token: self.token(), ..Default::default() }),
                _ => Call::ResendInvitation(ResendInvitationRequest { name: self.invitation(), ..Default::default() }),
            },
            92..=93 => self.accept(),
            94 => match self.dice.roll(6) {
                0..=1 => Call::UndeleteOrganization(UndeleteOrganizationRequest {
                    name: self.deleted(NodeKind::Organization),
                    ..Default::default()
                }),
                2..=3 => {
                    Call::UndeleteWorkspace(UndeleteWorkspaceRequest { name: self.deleted(NodeKind::Workspace), ..Default::default() })
                }
                _ => Call::UndeleteAccount(UndeleteAccountRequest { name: self.deleted(NodeKind::Account), ..Default::default() }),
            },
            95 => {
                let workspace = if self.dice.percent(75) { self.workspace() } else { String::new() };
                Call::MoveAccount(MoveAccountRequest { name: self.account(), workspace, ..Default::default() })
            }
            96 => self.move_organization(),
            97 if self.dice.percent(30) => {
                let kind = [organization::Kind::Marketer, organization::Kind::Publisher, organization::Kind::Mixed][self.dice.roll(3)];
                let name = self.customer();
                Call::ChangeOrganizationKind(ChangeOrganizationKindRequest { name, kind: kind.into(), ..Default::default() })
            }
            _ => self.read(),
        }
    }

    /// Accepts an invitation.
    pub fn accept(&mut self) -> Call {
        let token = self.token();
        self.accept_by(token)
    }

    /// Accepts whatever invitation it is that this token is of.
    pub fn accept_by(&self, token: String) -> Call {
        Call::AcceptInvitation(AcceptInvitationRequest { token, ..Default::default() })
    }

    /// Moves a customer, or consents to it.
    pub fn move_organization(&mut self) -> Call {
        let (name, parent) = (self.customer(), self.workspace_of_agency());
        if self.dice.percent(50) {
            return Call::ConsentToMove(ConsentToMoveRequest { name, parent, ..Default::default() });
        }
        Call::MoveOrganization(MoveOrganizationRequest { name, parent, ..Default::default() })
    }

    fn workspace_of_agency(&mut self) -> String {
        let north = format!("organizations/north{}/", self.number);
        let workspaces: Vec<String> = self.nodes(&[NodeKind::Workspace]).into_iter().filter(|name| name.starts_with(&north)).collect();
        if self.dice.percent(10) { self.workspace() } else { self.dice.pick(&workspaces).cloned().unwrap_or_default() }
    }

    fn member_roles(&mut self, organization: &str) -> Vec<MemberRole> {
        let mut roles = Vec::new();
        for _ in 0..self.dice.roll(4) {
            let node = if self.dice.percent(50) { organization.to_owned() } else { self.container() };
            let role = self.role(&node);
            let components = self.map_for(&node, &role);
            roles.push(MemberRole { role, node, components, expire_time: self.hour(), ..Default::default() });
        }
        roles
    }

    fn invite(&mut self) -> Call {
        if self.dice.percent(12) {
            let organization_id = format!("{}-{}", self.fresh("cust"), self.number);
            let organization = Some(Organization { display_name: format!("mark-none{}", self.number), ..Default::default() });
            let role = "roleModels/agency/roles/advertiser-admin".to_owned();
            let (parent, email) = (self.workspace(), self.email());
            return Call::InviteCustomer(InviteCustomerRequest {
                parent,
                organization_id,
                organization,
                email,
                role,
                ..Default::default()
            });
        }
        let node = match self.dice.roll(10) {
            0..=4 => self.organization(),
            5..=6 => self.workspace(),
            _ => self.account(),
        };
        let role = self.role(&node);
        let invitation = Invitation {
            email: self.email(),
            components: self.map_for(&node, &role),
            binding_expire_time: self.hour(),
            sponsor: if self.dice.percent(30) { self.sponsor(&node) } else { String::new() },
            role,
            ..Default::default()
        };
        let parent = node.split('/').take(2).collect::<Vec<_>>().join("/");
        let invitation = Some(Invitation { node, ..invitation });
        let invitation_id = self.fresh("i");
        Call::CreateInvitation(CreateInvitationRequest { parent, invitation_id, invitation, ..Default::default() })
    }

    fn give(&mut self) -> Call {
        let node = match self.dice.roll(10) {
            0..=4 => self.organization(),
            5 if self.dice.percent(30) => self.leaf(),
            5..=6 => self.workspace(),
            _ => self.account(),
        };
        let role = self.role(&node);
        let role_binding = RoleBinding {
            principal: self.principal(),
            components: self.map_for(&node, &role),
            expire_time: self.hour(),
            sponsor: self.sponsor(&node),
            role,
            ..Default::default()
        };
        let parent = node.split('/').take(2).collect::<Vec<_>>().join("/");
        let role_binding = Some(RoleBinding { node, ..role_binding });
        Call::CreateRoleBinding(CreateRoleBindingRequest { parent, role_binding, ..Default::default() })
    }

    fn read(&mut self) -> Call {
        match self.dice.roll(18) {
            0 => Call::GetOrganization(GetOrganizationRequest { name: self.organization() }),
            1 => Call::ListOrganizations(ListOrganizationsRequest { parent: self.workspace(), ..Default::default() }),
            2 => Call::GetWorkspace(GetWorkspaceRequest { name: self.workspace() }),
            3 => Call::ListWorkspaces(ListWorkspacesRequest { parent: self.organization(), ..Default::default() }),
            4 => Call::GetAccount(GetAccountRequest { name: self.account() }),
            5 => Call::ListAccounts(ListAccountsRequest { parent: self.organization(), ..Default::default() }),
            6 => Call::GetUser(GetUserRequest { name: self.user() }),
            7 => Call::GetMember(GetMemberRequest { name: self.member(), ..Default::default() }),
            8 => Call::ListMembers(ListMembersRequest { parent: self.organization(), ..Default::default() }),
            9 => Call::GetGroup(GetGroupRequest { name: self.group() }),
            10 => Call::ListGroups(ListGroupsRequest { parent: self.organization(), ..Default::default() }),
            11 => Call::ListGroupMembers(ListGroupMembersRequest { group: self.group(), ..Default::default() }),
            12 => Call::GetPartnership(GetPartnershipRequest { name: self.partnership() }),
            13 => {
                let (parent, as_partner) = (self.organization(), self.dice.percent(50));
                Call::ListPartnerships(ListPartnershipsRequest { parent, as_partner, ..Default::default() })
            }
            14 => Call::GetRoleBinding(GetRoleBindingRequest { name: self.binding() }),
            15 => Call::ListRoleBindings(ListRoleBindingsRequest { parent: self.organization(), ..Default::default() }),
            16 => Call::GetRole(catalog::GetRoleRequest { name: self.custom_role() }),
            _ => Call::ListRoles(catalog::ListRolesRequest { parent: self.organization(), ..Default::default() }),
        }
    }
}
