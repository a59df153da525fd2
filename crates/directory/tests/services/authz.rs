//! An authz that grants everything but what a test forbids, with the stamps that the ledger has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use api::{
    authz::v1::{
        AssignableRole, FilterPermittedRequest, FilterPermittedResponse, GetPermitRequest, GetTreeRulesRequest, Holding,
        ListAssignableRolesRequest, ListAssignableRolesResponse, ListPermittedRequest, ListPermittedResponse, ListStandingsRequest,
        ListStandingsResponse, MembershipTerms, Participation, Permit, PreviewAccessRequest, PreviewAccessResponse, ReachingRole,
        Requirement, RoleTerms, Stamp, Standing, Terms, TreeRules, participation::Membership, permit_service_server::PermitService,
        requirement::Kind,
    },
    error::v1::Reason,
    feed::v1::{Record, record::State},
};
use chassis::refuse;
use decision::{
    name::{NodeName, UserName},
    record::Timestamp,
    roster::participation,
    view::View,
};
use ledger::Ledger;
use prost::Message;
use replica::wire::Change;
use sea_orm::{ConnectionTrait, Statement};
use tonic::{Code, Request, Response, Status, async_trait};

/// Who is the platform.
pub(crate) const PLATFORM: &str = "users/platform";
/// The revision that every role model is at.
pub(crate) const MODEL_REVISION: u32 = 3;

/// What it says.
#[derive(Debug, Default)]
pub(crate) struct Sayings {
    /// `workspaces.get organizations/acme`: permissions that nobody has, with or without the node.
    pub(crate) denied: BTreeSet<String>,
    /// Terms of roles by their names.
    pub(crate) roles: BTreeMap<String, RoleTerms>,
    /// Roles that an organization must have.
    pub(crate) required: Vec<RoleTerms>,
    /// Of every tree.
    pub(crate) membership: MembershipTerms,
    /// The permissions that were asked for, `workspaces.get organizations/acme`, and `platform`.
    pub(crate) asked: Vec<String>,
    /// Everything that was given as if it were there.
    pub(crate) given: Vec<Record>,
    /// What users hold, for rosters.
    pub(crate) standings: Vec<Standing>,
    /// Roles that reach whatever node is asked about.
    pub(crate) reaching: Vec<ReachingRole>,
    /// The organization above, by customer.
    above: BTreeMap<String, String>,
    /// The role model, by root.
    models: BTreeMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct Authz {
    ledger: Ledger,
    sayings: Arc<Mutex<Sayings>>,
}

fn organization(name: &str) -> String {
    name.split('/').take(2).collect::<Vec<_>>().join("/")
}

impl Sayings {
    fn root(&self, name: &str) -> String {
        let organization = organization(name);
        match self.above.get(&organization) {
            Some(above) => self.root(above),
            None => organization,
        }
    }

    /// An organization is in another one's workspace from now on.
    pub(crate) fn moved(&mut self, customer: &str, workspace: &str) {
        self.above.insert(customer.to_owned(), organization(workspace));
    }

    fn learn(&mut self, record: &Record) {
        self.given.push(record.clone());
        let Some(State::Node(node)) = &record.state else { return };
        if !node.role_model.is_empty() {
            self.models.insert(record.key.clone(), node.role_model.clone());
        } else if !node.parent.is_empty() && organization(&record.key) == record.key {
            self.above.insert(record.key.clone(), organization(&node.parent));
        }
    }

    fn may(&mut self, actor: &str, requirement: &Requirement) -> bool {
        match requirement.kind.as_ref().unwrap() {
            Kind::Permission(wanted) => self.has(&wanted.permission, &wanted.node),
            Kind::Platform(_) => {
                self.asked.push("platform".to_owned());
                actor == PLATFORM
            }
            Kind::Myself(user) => actor == PLATFORM || actor == user,
            Kind::Move(moved) => self.has("move", &moved.to.as_ref().unwrap().key),
            Kind::Restore(restored) => self.has("restore", &restored.to.as_ref().unwrap().key),
            Kind::AnyOf(any) => any.requirements.iter().any(|requirement| self.may(actor, requirement)),
            Kind::Assign(assign) if assign.invite => {
                let binding = assign.binding.as_ref().unwrap();
                self.asked.push(format!("{actor} invites to {} {}", binding.role, binding.node));
                let role = format!("invites to {}", binding.role);
                [format!("{actor} invites"), "invites".to_owned(), role].iter().all(|denied| !self.denied.contains(denied))
            }
            Kind::Assign(assign) => !self.denied.contains(&format!("assigns {}", assign.binding.as_ref().unwrap().role)),
            Kind::Change(change) => !self.denied.contains(&format!("assigns {}", change.to.as_ref().unwrap().role)),
            Kind::Revoke(binding) => {
                self.asked.push(format!("{actor} revokes {binding}"));
                [format!("{actor} revokes"), format!("revokes {binding}")].iter().all(|denied| !self.denied.contains(denied))
            }
            _ => true,
        }
    }

    fn has(&mut self, permission: &str, node: &str) -> bool {
        self.asked.push(format!("{permission} {node}"));
        !self.denied.contains(permission) && !self.denied.contains(&format!("{permission} {node}"))
    }

    fn terms(&self, requirement: &Requirement) -> Terms {
        let role = |name: &str| {
            let held_at = "organization".to_owned();
            let unknown = RoleTerms { role: name.to_owned(), held_at, organizations: "any".to_owned(), ..RoleTerms::default() };
            Some(self.roles.get(name).cloned().unwrap_or(unknown))
        };
        match requirement.kind.as_ref().unwrap() {
            Kind::Assign(assign) => Terms { role: role(&assign.binding.as_ref().unwrap().role), ..Terms::default() },
            Kind::Change(change) => Terms { role: role(&change.to.as_ref().unwrap().role), ..Terms::default() },
            _ => Terms::default(),
        }
    }
}

impl Authz {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, sayings: Arc::default() }
    }

    pub(crate) fn says(&self) -> MutexGuard<'_, Sayings> {
        self.sayings.lock().unwrap()
    }

    /// By what the feed says: this much it knows as the real one does.
    async fn participations(&self, node: &str, users: &[String]) -> Vec<Participation> {
        let reader = self.ledger.reader();
        let sql = "SELECT payload FROM feed_state WHERE payload IS NOT NULL ORDER BY key";
        let mut view = View::default();
        for row in reader.query_all_raw(Statement::from_string(reader.get_database_backend(), sql)).await.unwrap() {
            let record = Record::decode(row.try_get::<Vec<u8>>("", "payload").unwrap().as_slice()).unwrap();
            if let Change::Put(record) = replica::wire::read(record).unwrap() {
                view.apply(&record.key(), Some(*record));
            }
        }
        let (node, now) = (NodeName::parse(node).unwrap(), Timestamp(chrono::Utc::now().timestamp_micros()));
        let of = |user: &String| {
            let found = participation(&view, &UserName::parse(user).unwrap(), &node, now);
            let text = |name: Option<String>| name.unwrap_or_default();
            let holdings = found.holdings.iter().map(|held| Holding {
                role_binding: held.binding.to_string(),
                role: held.role.to_string(),
                node: held.node.to_string(),
                group: text(held.group.as_ref().map(ToString::to_string)),
                sponsor: text(held.sponsor.as_ref().map(ToString::to_string)),
            });
            let membership = match found.membership {
                None => Membership::Unspecified,
                Some(false) => Membership::Active,
                Some(true) => Membership::Suspended,
            };
            Participation { user: user.clone(), suspended: found.suspended, membership: membership.into(), holdings: holdings.collect() }
        };
        users.iter().map(of).collect()
    }
}

#[async_trait]
impl PermitService for Authz {
    async fn get_permit(&self, request: Request<GetPermitRequest>) -> Result<Response<Permit>, Status> {
        let request = request.into_inner();
        let mut permit = {
            let mut says = self.says();
            request.hypothetical.iter().for_each(|record| says.learn(record));
            for requirement in &request.requirements {
                if !says.may(&request.actor, requirement) {
                    return Err(refuse(Code::PermissionDenied, Reason::NotAllowed, "not allowed, or not there").status());
                }
            }
            let written: Vec<String> = request.trees.iter().map(|name| says.root(name)).collect();
            let model = says.models.get(&written[0]).map(|model| format!("roleModels/{model}"));
            Permit {
                terms: request.requirements.iter().map(|requirement| says.terms(requirement)).collect(),
                role_model_revision: if model.is_some() { MODEL_REVISION } else { 0 },
                role_model: model.unwrap_or_default(),
                membership: Some(says.membership.clone()),
                required_roles: says.required.clone(),
                platform: request.actor == PLATFORM,
                written,
                ..Permit::default()
            }
        };
        let stamps = self.ledger.stamps(&permit.written).await.unwrap();
        permit.stamps = stamps.into_iter().map(|stamp| Stamp { tree: stamp.tree, revision: stamp.revision }).collect();
        Ok(Response::new(permit))
    }

    async fn filter_permitted(&self, request: Request<FilterPermittedRequest>) -> Result<Response<FilterPermittedResponse>, Status> {
        let FilterPermittedRequest { permission, nodes, .. } = request.into_inner();
        assert!(nodes.len() <= 1000);
        let mut says = self.says();
        let nodes = nodes.into_iter().filter(|node| says.has(&permission, node)).collect();
        Ok(Response::new(FilterPermittedResponse { nodes }))
    }

    async fn list_permitted(&self, _: Request<ListPermittedRequest>) -> Result<Response<ListPermittedResponse>, Status> {
        Err(Status::unimplemented("it knows no nodes; ask the real one"))
    }

    async fn list_assignable_roles(
        &self,
        request: Request<ListAssignableRolesRequest>,
    ) -> Result<Response<ListAssignableRolesResponse>, Status> {
        let ListAssignableRolesRequest { node, .. } = request.into_inner();
        let says = self.says();
        if says.denied.contains(&node) {
            return Err(refuse(Code::PermissionDenied, Reason::NotAllowed, "not allowed, or not there").status());
        }
        let roles = says.roles.iter().map(|(name, terms)| {
            let denied = says.denied.contains(name);
            AssignableRole {
                role: Some(terms.clone()),
                title: "A role".to_owned(),
                assignable: !denied,
                reason: if denied { "NOT_ALLOWED".to_owned() } else { String::new() },
                message: if denied { "not allowed".to_owned() } else { String::new() },
                ..AssignableRole::default()
            }
        });
        let roles = roles.collect();
        Ok(Response::new(ListAssignableRolesResponse { roles, membership: Some(says.membership.clone()), ..Default::default() }))
    }

    /// It knows no nodes: nobody gains or loses anything. Ask the real one.
    async fn preview_access(&self, _: Request<PreviewAccessRequest>) -> Result<Response<PreviewAccessResponse>, Status> {
        Ok(Response::new(PreviewAccessResponse { complete: true, ..PreviewAccessResponse::default() }))
    }

    async fn list_standings(&self, request: Request<ListStandingsRequest>) -> Result<Response<ListStandingsResponse>, Status> {
        let ListStandingsRequest { nodes, users, with_participations, .. } = request.into_inner();
        let participations = if with_participations { self.participations(&nodes[0], &users).await } else { Vec::new() };
        let says = self.says();
        let asked = |standing: &&Standing| nodes.contains(&standing.node) && users.contains(&standing.user);
        Ok(Response::new(ListStandingsResponse {
            standings: says.standings.iter().filter(asked).cloned().collect(),
            reaching: if users.is_empty() { says.reaching.clone() } else { Vec::new() },
            revision: String::new(),
            participations,
        }))
    }

    async fn get_tree_rules(&self, request: Request<GetTreeRulesRequest>) -> Result<Response<TreeRules>, Status> {
        let says = self.says();
        let root = says.root(&request.into_inner().tree);
        let model = says.models.get(&root).ok_or_else(|| refuse(Code::NotFound, Reason::NotFound, "no such tree").status())?;
        Ok(Response::new(TreeRules {
            role_model: format!("roleModels/{model}"),
            role_model_revision: MODEL_REVISION,
            membership: Some(says.membership.clone()),
            roles: says.required.clone(),
            root,
            ..TreeRules::default()
        }))
    }
}
