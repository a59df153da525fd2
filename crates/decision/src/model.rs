//! A role model checked and compiled: everything by small index, every grant resolved to the permissions that it gives.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::RandomState;

use crate::{
    condition::Condition,
    document::{self, AttributeSource, ConditionUse, Document, Level, MapRule, OrganizationScope, PrincipalKind, Unset, ValueType},
    name::{NodeKind, NodeName},
    record::{OrganizationKind, Value},
    reserved::{self, CONTAINERS},
    validate::{Finding, validate},
};

type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// Index of a type of node: the containers first, in the order of [`CONTAINERS`].
pub type TypeIndex = u16;
/// Index of a permission in its model.
pub type PermissionIndex = u16;
/// Index of a component in its model.
pub type ComponentIndex = u16;
/// Index of a system role in its model.
pub type RoleIndex = u16;

/// The type index of organizations.
pub const ORGANIZATION: TypeIndex = 0;
/// The type index of workspaces.
pub const WORKSPACE: TypeIndex = 1;
/// The type index of accounts.
pub const ACCOUNT: TypeIndex = 2;

/// A set of types of node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeSet([u64; 3]);

impl TypeSet {
    pub(crate) fn insert(&mut self, index: TypeIndex) {
        if let Some(word) = self.0.get_mut(usize::from(index / 64)) {
            *word |= 1 << (index % 64);
        }
    }

    pub(crate) fn contains(self, index: TypeIndex) -> bool {
        self.0.get(usize::from(index / 64)).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    pub(crate) fn intersect(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// A type of node.
#[derive(Debug)]
pub struct NodeType {
    /// `campaign`.
    pub id: String,
    /// `campaigns`; empty for containers.
    pub collection: String,
    /// The container types that a leaf may stand under.
    pub parents: TypeSet,
    /// What conditions may use, by id.
    pub attributes: BTreeMap<String, (ValueType, AttributeSource)>,
}

/// A component.
#[derive(Debug)]
pub struct Component {
    /// `campaigns`.
    pub id: String,
    /// One that every model has: neither ceilings nor component maps close it.
    pub reserved: bool,
    /// The levels that it has above none.
    pub levels: Vec<Level>,
}

/// A permission, reserved or the model's own.
#[derive(Debug)]
pub struct Permission {
    /// `campaigns.run_actual`.
    pub id: String,
    /// Its component.
    pub component: ComponentIndex,
    /// From which level of the component on it is included.
    pub level: Level,
    /// The types that it applies to.
    pub types: TypeSet,
    /// The kinds of organization that it is for. Empty: all.
    pub kinds: Vec<OrganizationKind>,
    /// Every account on the path must be active.
    pub active_account: bool,
    /// The permission needs a holder of one of these roles at the organization. Empty: it does not.
    pub organization_has: Vec<RoleIndex>,
    /// The permissions that imply it.
    pub implied_by: Vec<PermissionIndex>,
    /// NA.
    pub nobody: bool,
}

impl Permission {
    pub(crate) fn is_for(&self, kind: OrganizationKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// How a grant of a role gives one permission.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) grant: u16,
    pub(crate) types: TypeSet,
}

/// A grant's bounds.
#[derive(Debug)]
pub(crate) struct GrantBounds {
    pub(crate) condition: Option<ConditionUse>,
    pub(crate) through_customers: bool,
}

/// A system role.
#[derive(Debug)]
pub struct Role {
    /// `super-admin`.
    pub id: String,
    /// The type of node that it is held at.
    pub held_at: TypeIndex,
    /// For organizations: which.
    pub organizations: OrganizationScope,
    /// Who may hold it, all rules applied.
    pub principals: BTreeSet<PrincipalKind>,
    /// Whether bindings of it carry a component map.
    pub component_map: MapRule,
    /// One of these must be held too. Empty: none.
    pub requires: Vec<RoleIndex>,
    /// The roles that it stands for below, and whether in customers too.
    pub implies: Vec<(RoleIndex, bool)>,
    pub(crate) upward: Vec<PermissionIndex>,
    // It or a role that it implies has something upward through an implied role.
    pub(crate) implies_upward: bool,
    pub(crate) grants: Vec<GrantBounds>,
    // By permission.
    hits: Vec<Box<[Hit]>>,
}

impl Role {
    pub(crate) fn hits(&self, permission: PermissionIndex) -> &[Hit] {
        self.hits.get(usize::from(permission)).map_or(&[], |hits| hits)
    }
}

/// A role model that decisions can be made by.
#[derive(Debug)]
pub struct RoleModel {
    document: Document,
    types: Vec<NodeType>,
    collections: HashMap<String, TypeIndex>,
    components: Vec<Component>,
    component_index: HashMap<String, ComponentIndex>,
    permissions: Vec<Permission>,
    permission_index: HashMap<String, PermissionIndex>,
    roles: Vec<Role>,
    role_index: HashMap<String, RoleIndex>,
    conditions: HashMap<String, Condition>,
    custom_principals: BTreeSet<PrincipalKind>,
    custom_held_at: TypeSet,
}

impl RoleModel {
    /// Checks a document and compiles it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn compile(document: Document) -> Result<Self, Vec<Finding>> {
        let mut findings = validate(&document);
        if !findings.is_empty() {
            return Err(findings);
        }
        let mut conditions = HashMap::default();
        for (at, source) in document.conditions.iter().enumerate() {
            match Condition::compile(source) {
                Ok(condition) => drop(conditions.insert(source.id.clone(), condition)),
                Err(messages) => {
                    findings.extend(messages.into_iter().map(|message| Finding { path: format!("conditions[{at}].expression"), message }))
                }
            }
        }
        if findings.is_empty() { Ok(Self::build(document, conditions)) } else { Err(findings) }
    }

    fn build(document: Document, conditions: HashMap<String, Condition>) -> Self {
        let types = node_types(&document);
        let type_index = index_of(types.iter().map(|node_type| node_type.id.as_str()));
        let collections = types
            .iter()
            .zip(0..)
            .filter(|(node_type, _)| !node_type.collection.is_empty())
            .map(|(node_type, at)| (node_type.collection.clone(), at))
            .collect();
        let components = components(&document);
        let component_index = index_of(components.iter().map(|component| component.id.as_str()));
        let role_index = index_of(document.roles.iter().map(|role| role.id.as_str()));
        let permissions = permissions(&document, &types, &type_index, &component_index, &role_index);
        let permission_index = index_of(permissions.iter().map(|permission| permission.id.as_str()));
        let custom_principals = principals(document.custom_roles.as_ref().map_or(&[][..], |custom| &custom.principals));
        let custom_held_at = type_set(document.custom_roles.iter().flat_map(|custom| &custom.held_at), &type_index);
        let mut model = Self {
            types,
            collections,
            components,
            component_index,
            permissions,
            permission_index,
            roles: Vec::new(),
            role_index,
            conditions,
            custom_principals,
            custom_held_at,
            document: Document::default(),
        };
        model.roles = document.roles.iter().map(|role| model.role_rules(role, &document, &type_index)).collect();
        let implies_upward: Vec<bool> =
            (0..).take(model.roles.len()).map(|role| model.reaches_upward(role, &mut BTreeSet::new())).collect();
        for (role, flag) in model.roles.iter_mut().zip(implies_upward) {
            role.implies_upward = flag;
        }
        model.document = document;
        model
    }

    fn role_rules(&self, role: &document::Role, document: &Document, type_index: &HashMap<String, TypeIndex>) -> Role {
        let mut hits: Vec<Vec<Hit>> = (0..self.permissions.len()).map(|_| Vec::new()).collect();
        for (grant, at) in role.grants.iter().zip(0..) {
            let bound = type_set(&grant.types, type_index);
            // By name it is looked up: lists may be long, and there are as many as grants.
            let named: BTreeSet<&str> = grant.permissions.iter().map(String::as_str).collect();
            let unnamed = document::Grant { permissions: Vec::new(), ..grant.clone() };
            for (permission, hits) in self.permissions.iter().zip(&mut hits) {
                let Some(component) = self.components.get(usize::from(permission.component)) else { continue };
                if named.contains(permission.id.as_str()) || gives(&unnamed, permission, component) {
                    let types = if grant.types.is_empty() { permission.types } else { bound.intersect(permission.types) };
                    if !types.is_empty() {
                        hits.push(Hit { grant: at, types });
                    }
                }
            }
        }
        Role {
            id: role.id.clone(),
            held_at: type_index.get(&role.held_at).copied().unwrap_or(TypeIndex::MAX),
            organizations: role.organizations,
            principals: if users_only(document, role) { BTreeSet::from([PrincipalKind::User]) } else { principals(&role.principals) },
            component_map: role.component_map,
            requires: role.requires.iter().filter_map(|id| self.role_index.get(id).copied()).collect(),
            implies: role
                .implies
                .iter()
                .filter_map(|implied| Some((*self.role_index.get(&implied.role)?, implied.through_customers)))
                .collect(),
            upward: role.upward.iter().filter_map(|id| self.permission_index.get(id).copied()).collect(),
            implies_upward: false,
            grants: role
                .grants
                .iter()
                .map(|grant| GrantBounds { condition: grant.condition.clone(), through_customers: grant.through_customers })
                .collect(),
            hits: hits.into_iter().map(Vec::into_boxed_slice).collect(),
        }
    }

    fn reaches_upward(&self, role: RoleIndex, seen: &mut BTreeSet<RoleIndex>) -> bool {
        self.roles.get(usize::from(role)).is_some_and(|rules| {
            rules.implies.iter().any(|(implied, _)| {
                seen.insert(*implied)
                    && (self.roles.get(usize::from(*implied)).is_some_and(|rules| !rules.upward.is_empty())
                        || self.reaches_upward(*implied, seen))
            })
        })
    }

    /// The document that it was compiled from.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.document.model
    }

    /// Every type of node, the containers first.
    pub fn types(&self) -> &[NodeType] {
        &self.types
    }

    /// A type by index.
    pub fn node_type(&self, index: TypeIndex) -> Option<&NodeType> {
        self.types.get(usize::from(index))
    }

    /// A type by id.
    pub fn type_index(&self, id: &str) -> Option<TypeIndex> {
        self.types.iter().zip(0..).find(|(node_type, _)| node_type.id == id).map(|(_, at)| at)
    }

    /// The type of a node by its name; `None` for a leaf whose collection is not declared under a container of that type.
    pub fn type_of(&self, name: &NodeName) -> Option<TypeIndex> {
        match name.kind() {
            NodeKind::Organization => Some(ORGANIZATION),
            NodeKind::Workspace => Some(WORKSPACE),
            NodeKind::Account => Some(ACCOUNT),
            NodeKind::Leaf { collection } => {
                let container = match name.as_str().split('/').nth(2) {
                    Some("workspaces") => WORKSPACE,
                    Some("accounts") => ACCOUNT,
                    _ => ORGANIZATION,
                };
                self.leaf_type(collection, container)
            }
        }
    }

    pub(crate) fn leaf_type(&self, collection: &str, container: TypeIndex) -> Option<TypeIndex> {
        let index = *self.collections.get(collection)?;
        self.node_type(index)?.parents.contains(container).then_some(index)
    }

    /// Every component.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// A component by id.
    pub fn component(&self, id: &str) -> Option<ComponentIndex> {
        self.component_index.get(id).copied()
    }

    /// Every permission, the reserved ones first.
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// A permission by id.
    pub fn permission(&self, id: &str) -> Option<PermissionIndex> {
        self.permission_index.get(id).copied()
    }

    /// Every system role, in the document's order.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// A system role by id.
    pub fn role(&self, id: &str) -> Option<RoleIndex> {
        self.role_index.get(id).copied()
    }

    /// A condition by id.
    pub fn condition(&self, id: &str) -> Option<&Condition> {
        self.conditions.get(id)
    }

    /// The types of node that custom roles may be held at.
    pub fn custom_held_at(&self) -> TypeSet {
        self.custom_held_at
    }

    /// Who may hold a custom role.
    pub fn custom_principals(&self) -> &BTreeSet<PrincipalKind> {
        &self.custom_principals
    }

    /// Whether bindings of custom roles carry a component map; forbidden where there are none.
    pub fn custom_component_map(&self) -> MapRule {
        self.document.custom_roles.as_ref().map_or(MapRule::Forbidden, |custom| custom.component_map)
    }

    /// Whether an unset ceiling of a customer closes every component.
    pub fn unset_ceiling_is_nothing(&self) -> bool {
        self.document.ceilings.unset == Unset::Nothing
    }

    /// The value that a condition sees of an attribute: what is stored where the type says stored, what is given where it says request.
    pub(crate) fn attribute<'v>(
        &self,
        node_type: TypeIndex,
        id: &str,
        stored: Option<&'v BTreeMap<String, Value>>,
        given: &'v BTreeMap<String, Value>,
    ) -> Option<&'v Value> {
        match self.node_type(node_type)?.attributes.get(id)?.1 {
            AttributeSource::Stored => stored?.get(id),
            AttributeSource::Request => given.get(id),
        }
    }
}

/// Whether a grant gives a permission, types and condition aside (Reading 9).
pub(crate) fn gives(grant: &document::Grant, permission: &Permission, component: &Component) -> bool {
    let covers = |level: Level| level > Level::None && level >= permission.level;
    grant.permissions.contains(&permission.id)
        || grant.components.get(&component.id).is_some_and(|level| covers(*level))
        || grant
            .everything
            .as_ref()
            .is_some_and(|everything| !component.reserved && !everything.except.contains(&component.id) && covers(everything.level))
}

/// Whether only users may hold a role: it has seats, is exclusive, or a permission needs the organization to have it.
pub(crate) fn users_only(document: &Document, role: &document::Role) -> bool {
    role.seats.least > 0
        || role.seats.most > 0
        || !role.exclusive.is_empty()
        || document.permissions.iter().any(|permission| permission.needs.organization_has.contains(&role.id))
}

fn principals(listed: &[PrincipalKind]) -> BTreeSet<PrincipalKind> {
    if listed.is_empty() {
        return BTreeSet::from([PrincipalKind::User, PrincipalKind::Group, PrincipalKind::Organization]);
    }
    listed.iter().copied().collect()
}

fn index_of<'a>(ids: impl Iterator<Item = &'a str>) -> HashMap<String, u16> {
    ids.zip(0..).map(|(id, at)| (id.to_owned(), at)).collect()
}

fn type_set<'a>(ids: impl IntoIterator<Item = &'a String>, index: &HashMap<String, TypeIndex>) -> TypeSet {
    let mut set = TypeSet::default();
    ids.into_iter().filter_map(|id| index.get(id)).for_each(|at| set.insert(*at));
    set
}

fn node_types(document: &Document) -> Vec<NodeType> {
    let containers = CONTAINERS.map(|id| document::TypeRule { id: id.to_owned(), ..Default::default() });
    let declared = |id: &str| document.types.iter().find(|rule| rule.id == id);
    let containers = containers.iter().map(|container| declared(&container.id).unwrap_or(container));
    let leaves = document.types.iter().filter(|rule| !CONTAINERS.contains(&rule.id.as_str()));
    let container_index = index_of(CONTAINERS.into_iter());
    containers
        .chain(leaves)
        .map(|rule| NodeType {
            id: rule.id.clone(),
            collection: if CONTAINERS.contains(&rule.id.as_str()) { String::new() } else { rule.collection.clone() },
            parents: type_set(&rule.parents, &container_index),
            attributes: rule.attributes.iter().map(|attribute| (attribute.id.clone(), (attribute.value_type, attribute.source))).collect(),
        })
        .collect()
}

fn components(document: &Document) -> Vec<Component> {
    let both = vec![Level::View, Level::Edit];
    let reserved =
        reserved::components().iter().map(|component| Component { id: component.id.to_owned(), reserved: true, levels: both.clone() });
    let own = document.components.iter().filter(|component| !reserved::is_component(&component.id)).map(|component| Component {
        id: component.id.clone(),
        reserved: false,
        levels: if component.levels.is_empty() { both.clone() } else { component.levels.clone() },
    });
    reserved.chain(own).collect()
}

fn permissions(
    document: &Document,
    types: &[NodeType],
    type_index: &HashMap<String, TypeIndex>,
    component_index: &HashMap<String, ComponentIndex>,
    role_index: &HashMap<String, RoleIndex>,
) -> Vec<Permission> {
    let plain = |id: &str, level: Level, types: TypeSet| Permission {
        id: id.to_owned(),
        component: id.split('.').next().and_then(|component| component_index.get(component)).copied().unwrap_or(ComponentIndex::MAX),
        level,
        types,
        kinds: Vec::new(),
        active_account: false,
        organization_has: Vec::new(),
        implied_by: Vec::new(),
        nobody: false,
    };
    let reserved_index = index_of(reserved::permissions().iter().map(|permission| permission.id));
    let mut permissions: Vec<Permission> = reserved::permissions()
        .iter()
        .map(|permission| {
            let applies = types.iter().filter(|node_type| permission.types.include(&node_type.id)).map(|node_type| &node_type.id);
            plain(permission.id, permission.level, type_set(applies, type_index))
        })
        .collect();
    for declared in &document.permissions {
        let types = type_set(&declared.types, type_index);
        let at = match reserved_index.get(&declared.id) {
            Some(at) => usize::from(*at),
            None => {
                permissions.push(plain(&declared.id, declared.level, types));
                permissions.len() - 1
            }
        };
        let permission = &mut permissions[at];
        if !declared.types.is_empty() {
            permission.types = types;
        }
        permission.kinds = [OrganizationKind::Marketer, OrganizationKind::Publisher, OrganizationKind::Mixed]
            .into_iter()
            .filter(|kind| declared.kinds.iter().any(|word| word == kind.as_str()))
            .collect();
        permission.active_account = declared.needs.active_account;
        permission.organization_has = declared.needs.organization_has.iter().filter_map(|id| role_index.get(id).copied()).collect();
        permission.nobody = declared.nobody;
    }
    let index = index_of(permissions.iter().map(|permission| permission.id.as_str()));
    for declared in &document.permissions {
        let Some(implying) = index.get(&declared.id) else { continue };
        for implied in declared.implies.iter().filter_map(|id| index.get(id)) {
            permissions[usize::from(*implied)].implied_by.push(*implying);
        }
    }
    permissions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NodeName;

    fn model(yaml: &str) -> RoleModel {
        RoleModel::compile(serde_saphyr::from_str(yaml).unwrap()).unwrap()
    }

    #[test]
    fn a_leaf_has_a_type_only_under_a_parent_that_it_may_have() {
        let model = model(crate::sample::MODEL);
        let of = |name: &str| model.type_of(&NodeName::parse(name).unwrap()).map(|at| model.types()[usize::from(at)].id.as_str());
        assert_eq!(of("organizations/acme/workspaces/w"), Some("workspace"));
        assert_eq!(of("organizations/acme/workspaces/w/campaigns/1"), Some("campaign"));
        assert_eq!(of("organizations/acme/campaigns/1"), None);
        assert_eq!(of("organizations/acme/deals/1"), None);
    }

    #[test]
    fn everything_leaves_the_reserved_components_out() {
        let model = model(crate::sample::MODEL);
        let admin = &model.roles()[usize::from(model.role("admin").unwrap())];
        assert!(!admin.hits(model.permission("campaigns.update").unwrap()).is_empty());
        assert!(admin.hits(model.permission("ceilings.set").unwrap()).is_empty());
    }

    #[test]
    fn a_model_that_is_wrong_is_refused_with_findings() {
        let document = Document { model: "Not An Id".to_owned(), ..Default::default() };
        assert!(!RoleModel::compile(document).unwrap_err().is_empty());
    }
}
