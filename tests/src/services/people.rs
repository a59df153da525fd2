//! People as a platform's pages edit them: a member with all of their roles, a user of an organization's own with their sign-in.

use std::collections::BTreeSet;

use api::directory::v1::*;
use decision::{
    corpus::{MemberRole as Wanted, WriteOutcome},
    world::{node_name, role_name, user_name},
};

use super::{Running, as_expected, full, reason, said, text};

/// Saves a member with their roles; what they hold then is these and no others, and of a refused call what they held before.
pub(super) async fn save_member(
    running: &Running,
    actor: &str,
    member: &str,
    roles: &[Wanted],
    expect: &str,
) -> Result<WriteOutcome, String> {
    let name = full(member);
    let home = node_name(name.split("/members/").next().unwrap_or_default(), None).map_err(text)?;
    let model = running.world.model_of(home.id()).ok_or("the world has no such organization")?;
    let mut wanted = Vec::new();
    for held in roles {
        let role = role_name(&held.role, model, &home).map_err(text)?.to_string();
        let node = if held.node.is_empty() { home.to_string() } else { format!("{home}/{}", held.node) };
        wanted.push(MemberRole { role, node, ..Default::default() });
    }
    let before = held(running, &name).await?;
    let given: BTreeSet<_> = wanted.iter().map(|held| (held.role.clone(), held.node.clone())).collect();
    let request = UpdateMemberRequest {
        member: Some(Member { name: name.clone(), roles: wanted, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["roles".to_owned()] }),
        allow_missing: true,
        ..Default::default()
    };
    let actor = user_name(actor).map_err(text)?.to_string();
    let outcome = running.installation.on_behalf_of(&actor).members().update_member(request).await.map(drop);
    let should_hold = if outcome.is_ok() { given } else { before };
    let holds = held(running, &name).await?;
    if holds != should_hold {
        return Ok(Err(format!("holds {holds:?}")));
    }
    Ok(as_expected(outcome, expect))
}

/// What a member holds; nothing, if they are none.
async fn held(running: &Running, name: &str) -> Result<BTreeSet<(String, String)>, String> {
    let request = GetMemberRequest { name: name.to_owned(), view: MemberView::Full.into() };
    match running.installation.platform().members().get_member(request).await {
        Ok(member) => Ok(member.into_inner().roles.into_iter().map(|held| (held.role, held.node)).collect()),
        Err(status) if reason(&status) == "NOT_FOUND" => Ok(BTreeSet::new()),
        Err(status) => Err(said(status)),
    }
}

/// Links an identity to a user whom the organization manages; the platform finds them by it until it is unlinked.
pub(super) async fn identity(
    running: &Running,
    creator: &str,
    organization: &str,
    actor: &str,
    expect: &str,
) -> Result<WriteOutcome, String> {
    let platform = running.installation.platform();
    let issuer = "https://login.example.com".to_owned();
    let mut root = running.world.organization(organization).ok_or("the world has no such organization")?;
    while let Some(above) = root.parent.split('/').next().filter(|above| !above.is_empty()) {
        root = running.world.organization(above).ok_or("the world has no such organization")?;
    }
    let registered = Issuer { uri: issuer.clone(), organization: full(&root.id), ..Default::default() };
    let register = RegisterIssuerRequest { issuer: Some(registered), ..Default::default() };
    match platform.identities().register_issuer(register).await {
        Ok(_) => {}
        Err(status) if reason(&status) == "ALREADY_EXISTS" => {}
        Err(status) => return Err(said(status)),
    }
    let creator = running.installation.on_behalf_of(user_name(creator).map_err(text)?.as_str());
    let new = User { email: "new@example.com".into(), managed_by: full(organization), ..Default::default() };
    let created = creator.users().create_user(CreateUserRequest { user: Some(new), ..Default::default() }).await.map_err(said)?;
    let user = created.into_inner().name;

    let identity = Identity { issuer, subject: user.clone(), ..Default::default() };
    let actor = running.installation.on_behalf_of(user_name(actor).map_err(text)?.as_str());
    let link = LinkIdentityRequest { user: user.clone(), identity: Some(identity.clone()), ..Default::default() };
    let outcome = actor.identities().link_identity(link).await.map(drop);
    let find = || LookupUserRequest { by: Some(lookup_user_request::By::Identity(identity.clone())) };
    let found = platform.identities().lookup_user(find()).await.map(|found| found.into_inner().name).ok();
    if found != outcome.is_ok().then(|| user.clone()) {
        return Ok(Err(format!("the identity is found to be {found:?}'s")));
    }
    if outcome.is_ok() {
        let unlink = UnlinkIdentityRequest { user, identity: Some(identity.clone()), ..Default::default() };
        actor.identities().unlink_identity(unlink).await.map_err(said)?;
        if platform.identities().lookup_user(find()).await.is_ok() {
            return Ok(Err("the identity is found after it was unlinked".to_owned()));
        }
    }
    Ok(as_expected(outcome, expect))
}
