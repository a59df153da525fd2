//! Decides who may do what, from a view of the world held in memory. Pure: no clock, no IO, no logging; knows neither
//! protobuf nor where its records come from.
//!
//! - [`name`]: resource names, parsed once.
//! - [`document`]: the role model format as authors write it. [`model`]: the same, checked and compiled.
//! - [`record`]: the states that a view is built from. [`view`]: the world at one moment.
//! - [`decide`]: the decision. [`explain`]: the whole tree of why. [`permit`]: what an actor may do to Tenantry itself.
//! - [`reach`]: on which nodes a user has a permission. [`preview`]: who would gain and lose what; [`repin`]: what another revision of the role model
//!   would break. [`matrix`]: what each role gives, as people read it.
//! - `oracle` (feature `oracle`): the same decision written naively, as a test of the fast one.
//!
//! # Readings
//!
//! DESIGN §3 fixes the semantics. Where it leaves room, this is what the engine and the oracle both do:
//!
//! 1. *Order of refusals.* Unknown organization: `Deny(ResourceUnknown)`. Then, by the model pinned at the tree's root (its
//!    exact revision; unknown model or revision: as an unknown organization): the permission (reserved ones always exist;
//!    retired = absent from the pinned revision, present in a lower one), the resource's collection (its type must be declared
//!    with the parent container's type among `parents`), the attributes (each must be declared by the resource's type with
//!    source `request`, value of its type). Then the gates, in the order of [`decision::Reason`].
//! 2. *Path.* From the resource: a leaf's container by its name; containers by their `parent` field; an organization's by its `parent`
//!    (a workspace of the agency), up to the root. The node gate goes from the resource up to its own organization: an unregistered leaf
//!    passes, an unregistered container is `NodeUnknown`, the nearest bad node is reported. A path that cannot be followed above the
//!    organization (missing ancestor) ends there; what is bound above it is not reached.
//! 3. *Void bindings.* A binding gives nothing, upward neither, if its node, or any node from it to the root, is deleted,
//!    suspended or (containers) unknown.
//! 4. *Kind gate.* The kind of the resource's own organization. `kinds` empty = all.
//! 5. *Needs.* `active_account`: every registered account on the path up to the resource's organization is unpaused.
//!    `organization_has`: some user has a live, unconditional (no condition on the binding), direct (principal `users/…`) binding of one of
//!    the listed roles exactly at the resource's organization: not expired, not void, user active, member or sponsored (reading 7), its own required role held.
//! 6. *Ceilings.* At every node of the path, up to the root. Reserved components are exempt everywhere. `Some(set)`: the component must be in
//!    it. `None` at a customer organization: as the model's `ceilings.unset`; `None` elsewhere: no bound. The nearest closing node is reported.
//! 7. *Principals.* A user binding counts for that user; a group binding for every user reached through group edges (cycles tolerated) who is an active
//!    member of the group's organization; an organization binding for its active members; `anyone` for every active user, needing no
//!    membership. An unsponsored binding (other than to `anyone`) further needs the user to be an active member of the binding's
//!    organization (that of its node) — so an unsponsored binding to a foreign group or organization gives only members something.
//!    An active member: a member record, not suspended, and the user known and not suspended.
//!    A sponsored one needs its sponsor live:
//!    - a partnership: accepted, unexpired (at its expiry it has), of the binding's organization, its node the binding's node or
//!      above it in the same organization, its role among `roles`, the user among `users` if set, the partner organization
//!      neither unknown, deleted nor suspended (nor any node above it), and the user an active member of the partner. Its `components` cut the binding as a component map does.
//!    - a workspace: on the path strictly above the binding's organization (the organization is a customer below it), every node from the
//!      workspace to its root active, and the user an active member of the workspace's organization.
//! 8. *Roles.* A system role counts only if it is of the tree's pinned model and revision; a custom role only in its own organization. It counts only
//!    at nodes of its `held_at` type (`organizations: roots|customers` too); elsewhere the binding gives nothing. A custom role behaves as one with
//!    `component_map` and `principals` of `custom_roles`, and no more. A binding whose map does not fit the rule (given though forbidden, absent though required), whose
//!    principal is of a kind that the role does not allow, or whose condition is unknown, gives nothing. A forbidden, absent map cuts nothing.
//! 9. *Grants.* A grant gives permission P on a resource of type T if P is among its permissions, or P's component is in `components` at a level ≥ P's level
//!    and > none, or `everything` covers P's component (not reserved, not in `except`) at a level ≥ P's; and T is in `types` (empty: every type
//!    that P applies to). Level order: none < view < edit. A map then must give P's component at least P's level, reserved components excepted.
//!    A grant crosses into a customer organization (the resource's organization ≠ that of the node where the granting role is, or is
//!    implied to be, held) only if `through_customers`.
//! 10. *Implied roles.* Binding of A at N, A implies B: B counts as held at every node of B's `held_at` type strictly below N on the path of the resource, as if by the same
//!     binding (its condition, expiry, sponsor, liveness); within N's organization, or beyond with `through_customers`. Transitive. An implied role's own
//!     `requires` applies too. Roles that imply others have no component map, nor have the implied ones (validated).
//! 11. *Required roles.* `requires` of a role held at N: the same user has, through any principal, a live unconditional binding (no condition) of one of the listed roles at N
//!     or above N up to the root, implied ones included, each with its own required role held; customer borders ignored.
//! 12. *Upward.* `upward` of a role held at N counts when the resource is exactly the organization that N is in and N is not that organization itself; it is cut
//!     by no map. The binding is as live as for anything else. An implied role's upward counts too, at its implied nodes that exist and are not void.
//! 13. *Implied permissions.* P implies Q: Q is given by whatever gives P on the resource, after the cut by the map, where P passes its own gates there (NA, type, kind, needs, ceiling).
//!     Transitive, each on the way passing its gates. Q passes its own gates, as always.
//! 14. *Conditions.* A grant is under the role grant's condition and the binding's; both are judged on the resource being asked about. Judging one: an attribute that it reads has the stored
//!     value (source stored, of the registered resource), or the request's (source request), else the default, else it is missing. An attribute that the resource's
//!     type does not declare is missing. With anything missing it is not evaluated. `params` as given; a wrong or absent parameter, a result that is not bool and
//!     any CEL error are errors. One false: no grant, and its errors are not reported. Else an error: no grant, reported. Else missing: conditional on the union. Several grants of one binding are judged each on its own.
//! 15. *The deciding grant.* Among allowing grants: the nearest node to the resource (distance along the path of the binding's own node; upward ones are
//!     further than any on the path), then the lowest binding name as bytes.
//! 16. *More exactly*, by the reading that it belongs to: (1) The root is reached by following parents; an organization whose ancestors cannot be followed to a registered organization
//!     without a parent (missing, or in a circle) is as unknown. A model revision that does not validate is as unknown.
//!     (2) A workspace's parent is the organization in its name; an account's is its `parent` if that is a workspace of its own organization, else its organization;
//!     an organization's is its `parent` if that is a workspace, else it is a root.
//!     (8) Users only, whatever `principals` says: roles with seats, exclusive ones, those named by an `organization_has`. Custom roles give nothing where the model has no
//!     `custom_roles` or their `held_at` is not among its `held_at`; their grants never cross into customers, and a custom grant whose condition is unknown gives nothing.
//!     The kind of principal and the component map are judged for the binding's own role only, not again for the roles that it implies.
//!     (10) A role is not implied at a node that is void (reading 3).
//!     (11) An implied role counts where reading 10 has it held (its own border included); from there borders are ignored. A circle holds nothing.
//!     (14) `principal.id` is the user's id (`ann`). Missing is judged first: wrong parameters show only on evaluation. A parameter that is absent, of another type or not declared is an error.
//!     Two sets of missing attributes that are equal are one.
//!     (14) An Allow reports no condition errors; every other outcome that got past the gates reports each (binding, condition) once. Messages are not part of the contract.

pub mod condition;
mod containment;
pub mod corpus;
pub mod decide;
pub mod decision;
pub mod document;
pub mod explain;
pub mod matrix;
pub mod model;
pub mod name;
#[cfg(feature = "oracle")]
pub mod oracle;
mod path;
pub mod permit;
pub mod preview;
mod proposal;
pub mod reach;
pub mod record;
pub mod repin;
pub mod reserved;
pub mod roster;
#[cfg(test)]
mod sample;
mod slot;
pub mod standing;
pub mod validate;
pub mod view;
pub mod world;
