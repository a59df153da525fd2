//! Invitations, from their creation to their end.

use api::directory::v1::{
    AcceptInvitationRequest, AcceptInvitationResponse, AcceptPartnershipRequest, Account, BatchCreateInvitationsRequest,
    CreateAccountRequest, CreateInvitationRequest, CreateMemberRequest, CreatePartnershipRequest, DeclineInvitationRequest,
    DeleteMemberRequest, DeleteOrganizationRequest, DeletePartnershipRequest, DeleteUserRequest, DeleteWorkspaceRequest,
    GetInvitationRequest, GetMemberRequest, GetOrganizationRequest, Invitation, InvitationDraft, InvitationEvent, InviteCustomerRequest,
    ListInvitationsRequest, Organization, Partnership, ResendInvitationRequest, RevokeInvitationRequest, SuspendUserRequest,
    WatchInvitationEventsRequest, invitation::State, invitation_event::Kind, member, organization,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    access::{ANN, at, binding_of, give, held_by, owned, refused, role, suspend, terms},
    authz::PLATFORM,
    installation::{Installation, by, reason},
};

const ACME: &str = "organizations/acme";

/// Tries until the store is not too busy.
macro_rules! insist {
    ($call:expr) => {
        loop {
            match $call {
                Err(status) if status.code() == Code::Unavailable || reason(&status) == "OVERLOADED" => {}
                done => break done,
            }
        }
    };
}

fn invitation(user: &str, role_id: &str, node: &str) -> CreateInvitationRequest {
    let organization = node.split('/').take(2).collect::<Vec<_>>().join("/");
    let invitation =
        Invitation { email: format!("{user}@example.com"), role: role(role_id), node: node.to_owned(), ..Invitation::default() };
    CreateInvitationRequest { parent: organization, invitation: Some(invitation), ..Default::default() }
}

async fn send(installation: &Installation, request: CreateInvitationRequest) -> Result<Invitation, Status> {
    Ok(installation.invitations().create_invitation(by(ANN, request)).await?.into_inner())
}

async fn invite(installation: &Installation, user: &str, role_id: &str, node: &str) -> Result<Invitation, Status> {
    send(installation, invitation(user, role_id, node)).await
}

async fn accept(installation: &Installation, user: &str, token: &str) -> Result<AcceptInvitationResponse, Status> {
    let request = AcceptInvitationRequest { token: token.to_owned(), ..Default::default() };
    Ok(installation.invitations().accept_invitation(by(&format!("users/{user}"), request)).await?.into_inner())
}

async fn decline(installation: &Installation, user: &str, token: &str) -> Result<Invitation, Status> {
    let request = DeclineInvitationRequest { token: token.to_owned(), ..Default::default() };
    Ok(installation.invitations().decline_invitation(by(&format!("users/{user}"), request)).await?.into_inner())
}

async fn resend(installation: &Installation, actor: &str, name: &str) -> Result<Invitation, Status> {
    let request = ResendInvitationRequest { name: name.to_owned(), ..Default::default() };
    Ok(installation.invitations().resend_invitation(by(actor, request)).await?.into_inner())
}

async fn revoke(installation: &Installation, actor: &str, name: &str) -> Result<Invitation, Status> {
    let request = RevokeInvitationRequest { name: name.to_owned(), ..Default::default() };
    Ok(installation.invitations().revoke_invitation(by(actor, request)).await?.into_inner())
}

async fn read(installation: &Installation, name: &str) -> Invitation {
    installation.invitations().get_invitation(by(ANN, GetInvitationRequest { name: name.to_owned() })).await.unwrap().into_inner()
}

async fn state(installation: &Installation, name: &str) -> State {
    read(installation, name).await.state()
}

async fn people(installation: &Installation, ids: &[&str]) {
    for id in ids {
        installation.user(id).await;
    }
}

pub(crate) async fn an_invitation_is_accepted_once_by_whom_it_is_for(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let workspace = installation.workspace(ACME, "emea").await.name;
    let mut request = invitation("bob", "buyer", &workspace);
    request.invitation.as_mut().unwrap().email = "Bob@Example.com".into();
    let sent = send(installation, request).await.unwrap();
    assert_eq!((sent.state(), sent.inviter.as_str(), sent.token.len(), sent.etag.as_str()), (State::Pending, ANN, 43, "1"));
    // Nothing is given yet, and decisions know nothing of it.
    assert!(installation.record(&sent.name).await.is_none() && held_by(installation, ACME, "users/bob").await.is_empty());
    let seen = read(installation, &sent.name).await;
    assert_eq!(seen, Invitation { token: String::new(), revision: seen.revision.clone(), ..sent.clone() });

    let before = installation.revision().await;
    let accepted = accept(installation, "bob", &sent.token).await.unwrap();
    assert_eq!(installation.revision().await, before + 1);
    let (invitation, binding) = (accepted.invitation.unwrap(), accepted.role_binding.unwrap());
    assert_eq!((invitation.state(), invitation.accepted_by.as_str()), (State::Accepted, "users/bob"));
    assert_eq!((invitation.role_binding.as_str(), binding.principal.as_str()), (binding.name.as_str(), "users/bob"));
    assert!(!binding.revision.is_empty() && installation.record(&binding.name).await.is_some());
    let member = GetMemberRequest { name: format!("{ACME}/members/bob"), ..Default::default() };
    assert_eq!(installation.members().get_member(by(ANN, member)).await.unwrap().into_inner().organization_role, role("standard"));

    let again = accept(installation, "bob", &sent.token).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::FailedPrecondition, "WRONG_STATE"));
    assert_eq!(refused(decline(installation, "bob", &sent.token).await), "WRONG_STATE");
    assert_eq!(refused(revoke(installation, ANN, &sent.name).await), "WRONG_STATE");
    assert_eq!(refused(resend(installation, ANN, &sent.name).await), "WRONG_STATE");
    // The audit trail says who did it on whose authority.
    let scope = ledger::AuditScope::Resource(sent.name.clone());
    let query = ledger::AuditQuery { scope, actor: None, action: None, since: None, until: None, before: None, limit: 10 };
    let trail = installation.ledger.audit_trail(&query).await.unwrap().records;
    assert_eq!(trail.iter().map(|entry| entry.what.action.as_str()).collect::<Vec<_>>(), ["invitations.accept", "invitations.create"]);
    assert_eq!(trail[0].actor, "users/bob");
    assert_eq!(trail[0].what.after.as_ref().unwrap()["inviter"], ANN);
}

pub(crate) async fn a_token_is_in_one_answer_and_nowhere_else(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let request = CreateInvitationRequest { request_id: Uuid::new_v4().to_string(), ..invitation("bob", "buyer", ACME) };
    let sent = send(installation, request.clone()).await.unwrap();
    let again = send(installation, request).await.unwrap();
    assert_eq!(again, Invitation { token: String::new(), ..sent.clone() });
    let request = ResendInvitationRequest { name: sent.name.clone(), request_id: Uuid::new_v4().to_string(), ..Default::default() };
    let resent = installation.invitations().resend_invitation(by(ANN, request.clone())).await.unwrap().into_inner();
    let again = installation.invitations().resend_invitation(by(ANN, request)).await.unwrap().into_inner();
    assert!(resent.token != sent.token && resent.token.len() == 43 && again.token.is_empty());
    let request = AcceptInvitationRequest { token: resent.token.clone(), request_id: Uuid::new_v4().to_string(), ..Default::default() };
    let accepted = installation.invitations().accept_invitation(by("users/bob", request.clone())).await.unwrap().into_inner();
    assert_eq!(installation.invitations().accept_invitation(by("users/bob", request)).await.unwrap().into_inner(), accepted);
    let everything = installation.everything().await;
    assert!(everything.contains(&sent.name) && everything.to_lowercase().contains("bob@example.com"));
    for secret in [&sent.token, &resent.token] {
        assert!(!everything.contains(secret.as_str()));
    }
}

pub(crate) async fn a_wrong_token_and_one_of_somebody_else_look_the_same(installation: &Installation) {
    people(installation, &["ann", "bob", "cy"]).await;
    owned(installation, "acme").await;
    let sent = invite(installation, "bob", "buyer", ACME).await.unwrap();
    let dead = sent.token;
    let live = resend(installation, ANN, &sent.name).await.unwrap().token;
    let mut answers = Vec::new();
    for (user, token) in
        [("bob", dead.as_str()), ("cy", &live), ("nobody", &live), ("bob", "x"), ("bob", &"A".repeat(43)), ("platform", &live)]
    {
        answers.push(accept(installation, user, token).await.unwrap_err());
        answers.push(decline(installation, user, token).await.unwrap_err());
    }
    let one = &answers[0];
    assert_eq!((one.code(), reason(one).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
    for other in &answers {
        assert_eq!((other.code(), other.message(), other.details()), (one.code(), one.message(), one.details()));
    }
    // Whoever is suspended is nobody's invitee.
    let suspend = SuspendUserRequest { name: "users/bob".into(), ..Default::default() };
    installation.users().suspend_user(by(PLATFORM, suspend)).await.unwrap();
    assert_eq!(refused(accept(installation, "bob", &live).await), "NOT_ALLOWED");
    // Neither is it said to a stranger whether an invitation exists.
    installation.authz.says().denied.extend(["invitations.get".to_owned(), "users/cy invites".to_owned()]);
    for (one, other) in [
        (resend(installation, "users/cy", &sent.name).await, resend(installation, "users/cy", "organizations/acme/invitations/none").await),
        (revoke(installation, "users/cy", &sent.name).await, revoke(installation, "users/cy", "organizations/acme/invitations/none").await),
    ] {
        let (one, other) = (one.unwrap_err(), other.unwrap_err());
        assert_eq!((one.code(), one.message(), one.details()), (other.code(), other.message(), other.details()));
        assert_eq!(one.code(), Code::PermissionDenied);
    }
    // The inviter may see theirs.
    assert_eq!(read(installation, &sent.name).await.state(), State::Pending);
}

pub(crate) async fn a_resent_invitation_has_another_token_and_rests_on_who_resent_it(installation: &Installation) {
    people(installation, &["ann", "bob", "cy"]).await;
    owned(installation, "acme").await;
    let sent = invite(installation, "bob", "buyer", ACME).await.unwrap();
    let resent = resend(installation, "users/cy", &sent.name).await.unwrap();
    assert_eq!((resent.inviter.as_str(), resent.etag.as_str(), resent.create_time), ("users/cy", "2", sent.create_time));
    installation.authz.says().asked.clear();
    accept(installation, "bob", &resent.token).await.unwrap();
    let asked = installation.authz.says().asked.clone();
    assert_eq!(asked, [format!("users/cy invites to {} {ACME}", role("buyer"))]);
    let stale = ResendInvitationRequest { name: sent.name, etag: sent.etag, ..Default::default() };
    assert_eq!(refused(installation.invitations().resend_invitation(by(ANN, stale)).await), "ETAG_MISMATCH");
}

pub(crate) async fn what_has_ended_cannot_be_accepted(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let declined = invite(installation, "bob", "buyer", ACME).await.unwrap();
    assert_eq!(decline(installation, "bob", &declined.token).await.unwrap().state(), State::Declined);
    let revoked = invite(installation, "bob", "buyer", ACME).await.unwrap();
    // Who may not invite revokes nobody else's.
    installation.authz.says().denied.insert("invites".into());
    assert_eq!(refused(revoke(installation, "users/bob", &revoked.name).await), "NOT_ALLOWED");
    assert_eq!(revoke(installation, ANN, &revoked.name).await.unwrap().state(), State::Revoked);
    installation.authz.says().denied.clear();
    let expired = invite(installation, "bob", "buyer", ACME).await.unwrap();
    let later = chrono::Utc::now() + chrono::Duration::days(15);
    assert_eq!(installation.directory.sweep_expired(later).await.unwrap(), 1);
    for (ended, expected) in [(&declined, "declined"), (&revoked, "revoked"), (&expired, "expired")] {
        let refused = accept(installation, "bob", &ended.token).await.unwrap_err();
        assert_eq!(reason(&refused), "WRONG_STATE");
        assert_eq!(refused.get_error_details().error_info().unwrap().metadata["state"], expected);
    }
    assert_eq!(state(installation, &expired.name).await, State::Expired);
    assert_eq!(refused(revoke(installation, ANN, &expired.name).await), "WRONG_STATE");
    // Only what has expired is resent, and is the same again.
    assert_eq!(refused(resend(installation, ANN, &declined.name).await), "WRONG_STATE");
    let resent = resend(installation, ANN, &expired.name).await.unwrap();
    assert_eq!(accept(installation, "bob", &resent.token).await.unwrap().invitation.unwrap().state(), State::Accepted);
}

pub(crate) async fn the_same_offer_is_pending_once(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let sent = invite(installation, "eve", "buyer", ACME).await.unwrap();
    let mut same = invitation("eve", "buyer", ACME);
    same.invitation.as_mut().unwrap().email = "EVE@example.com".into();
    let refusal = send(installation, same.clone()).await.unwrap_err();
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!(refusal.get_error_details().resource_info().unwrap().resource_name, sent.name);
    // By which invitation is not said to somebody who may not see it.
    installation.authz.says().denied.insert("invitations.get".into());
    let refusal = installation.invitations().create_invitation(by("users/bob", same)).await.unwrap_err();
    assert_eq!(reason(&refusal), "ALREADY_EXISTS");
    assert!(refusal.get_error_details().resource_info().is_none() && !refusal.message().contains(&sent.name));
    installation.authz.says().denied.clear();
    // Another role, or another node, is another offer.
    invite(installation, "eve", "auditor", ACME).await.unwrap();
    // What is held is not offered, and a name is not used again.
    give(installation, "users/bob", "buyer", ACME).await.unwrap();
    assert_eq!(refused(invite(installation, "bob", "buyer", ACME).await), "ALREADY_EXISTS");
    let named = CreateInvitationRequest { invitation_id: "i1".into(), ..invitation("fay", "buyer", ACME) };
    let first = send(installation, named.clone()).await.unwrap();
    revoke(installation, ANN, &first.name).await.unwrap();
    assert_eq!(refused(send(installation, named).await), "ALREADY_EXISTS");
    // One that has expired gives way, and the audit trail says so.
    let mut request = invitation("gus", "buyer", ACME);
    request.invitation.as_mut().unwrap().expire_time = Some(at(3));
    let short = send(installation, request).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
    let other = invite(installation, "gus", "buyer", ACME).await.unwrap();
    assert_eq!((state(installation, &short.name).await, read(installation, &short.name).await.etag.as_str()), (State::Expired, "2"));
    assert_eq!(refused(resend(installation, ANN, &short.name).await), "ALREADY_EXISTS");
    revoke(installation, ANN, &other.name).await.unwrap();
    resend(installation, ANN, &short.name).await.unwrap();
}

pub(crate) async fn pending_invitations_take_seats(installation: &Installation) {
    people(installation, &["ann", "b0", "b1", "b2", "b3", "b4", "b5"]).await;
    owned(installation, "acme").await;
    give(installation, "users/b0", "buyer", ACME).await.unwrap();
    let mut sent = Vec::new();
    for user in ["b1", "b2", "x3"] {
        sent.push(invite(installation, user, "buyer", ACME).await.unwrap());
    }
    let mut short = invitation("x4", "buyer", ACME);
    short.invitation.as_mut().unwrap().expire_time = Some(at(3600));
    let short = send(installation, short).await.unwrap();
    let taken = invite(installation, "b5", "buyer", ACME).await.unwrap_err();
    assert_eq!((taken.code(), reason(&taken).as_str()), (Code::ResourceExhausted, "SEATS_TAKEN"));
    assert_eq!(refused(give(installation, "users/b5", "buyer", ACME).await), "SEATS_TAKEN");
    // Whoever is given what they are invited to counts once; what was kept for them is theirs.
    let given = give(installation, "users/b1", "buyer", ACME).await.unwrap();
    assert_eq!(refused(accept(installation, "b1", &sent[0].token).await), "ALREADY_EXISTS");
    assert_eq!(refused(invite(installation, "b5", "buyer", ACME).await), "SEATS_TAKEN");
    assert_eq!(given.role, role("buyer"));
    // An acceptance takes the seat that it had, and no other.
    accept(installation, "b2", &sent[1].token).await.unwrap();
    assert_eq!(refused(give(installation, "users/b5", "buyer", ACME).await), "SEATS_TAKEN");
    // A time that is over, and a refusal, give the seat back; an expired one gets it again only if it is free.
    let later = chrono::Utc::now() + chrono::Duration::hours(2);
    assert_eq!(installation.directory.sweep_expired(later).await.unwrap(), 1);
    give(installation, "users/b3", "buyer", ACME).await.unwrap();
    assert_eq!(refused(resend(installation, ANN, &short.name).await), "SEATS_TAKEN");
    revoke(installation, ANN, &sent[2].name).await.unwrap();
    resend(installation, ANN, &short.name).await.unwrap();
    assert_eq!(refused(invite(installation, "b5", "buyer", ACME).await), "SEATS_TAKEN");
}

pub(crate) async fn a_hundred_acceptances_for_five_seats_leave_five_holders(installation: &Installation) {
    people(installation, &["ann"]).await;
    owned(installation, "acme").await;
    // While the role has no seats a hundred are invited; then it has five.
    installation.authz.says().roles.remove(&role("buyer"));
    let mut tokens = Vec::new();
    for number in 0..100 {
        let user = format!("u{number}");
        installation.user(&user).await;
        tokens.push((user.clone(), invite(installation, &user, "buyer", ACME).await.unwrap().token));
    }
    installation.authz.says().roles.insert(role("buyer"), terms("buyer"));
    let start = tokio::sync::Barrier::new(100);
    let calls = tokens.iter().map(|(user, token)| {
        let start = &start;
        async move {
            start.wait().await;
            insist!(accept(installation, user, token).await)
        }
    });
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    for status in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&status), "SEATS_TAKEN");
    }
    let request = api::directory::v1::ListRoleBindingsRequest { parent: ACME.into(), page_size: 1000, ..Default::default() };
    let held = installation.role_bindings().list_role_bindings(by(ANN, request)).await.unwrap().into_inner().role_bindings;
    assert_eq!(held.iter().filter(|binding| binding.role == role("buyer")).count(), 5);
}

pub(crate) async fn fifty_acceptances_of_one_token_give_one_binding(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let token = invite(installation, "bob", "buyer", ACME).await.unwrap().token;
    let before = installation.revision().await;
    let start = tokio::sync::Barrier::new(50);
    let calls = (0..50).map(|_| {
        let (start, token) = (&start, &token);
        async move {
            start.wait().await;
            insist!(accept(installation, "bob", token).await)
        }
    });
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for status in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&status), "WRONG_STATE");
    }
    assert_eq!(installation.revision().await, before + 1);
    let mut held = held_by(installation, ACME, "users/bob").await;
    held.sort();
    assert_eq!(held, [role("buyer"), role("standard")]);
}

pub(crate) async fn the_inviter_is_asked_about_at_acceptance(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let sent = invite(installation, "bob", "buyer", ACME).await.unwrap();
    installation.authz.says().denied.insert(format!("{ANN} invites"));
    let void = accept(installation, "bob", &sent.token).await.unwrap_err();
    assert_eq!((void.code(), reason(&void).as_str()), (Code::FailedPrecondition, "INVITATION_VOID"));
    // Nothing of the organization is told.
    assert!(!void.message().contains("acme") && void.get_error_details().error_info().unwrap().metadata.is_empty());
    assert_eq!(state(installation, &sent.name).await, State::Pending);
    // Nor can the invitee be given it otherwise than as a member who is not suspended.
    installation.authz.says().denied.clear();
    let join = CreateMemberRequest { parent: ACME.into(), user: "users/bob".into(), ..Default::default() };
    let member = installation.members().create_member(by(ANN, join)).await.unwrap().into_inner().name;
    suspend(installation, &member, member::State::Suspended).await.unwrap();
    assert_eq!(refused(accept(installation, "bob", &sent.token).await), "INVITATION_VOID");
    assert_eq!(refused(invite(installation, "bob", "auditor", ACME).await), "NOT_A_MEMBER");
    suspend(installation, &member, member::State::Active).await.unwrap();
    accept(installation, "bob", &sent.token).await.unwrap();
    // Where the role model lets nobody join by a grant, nobody is invited who is not there.
    installation.authz.says().membership.grant_joins = false;
    assert_eq!(refused(invite(installation, "zoe", "buyer", ACME).await), "NOT_A_MEMBER");
}

pub(crate) async fn acceptance_takes_the_place_of_another_organization_role(installation: &Installation) {
    people(installation, &["ann", "bob", "cy"]).await;
    owned(installation, "acme").await;
    let join = CreateMemberRequest { parent: ACME.into(), user: "users/bob".into(), ..Default::default() };
    installation.members().create_member(by(ANN, join)).await.unwrap();
    let standard = binding_of(installation, ACME, "users/bob").await;
    // The inviter needs authority over what is given up, when inviting and when it is accepted.
    installation.authz.says().denied.insert(format!("{ANN} revokes"));
    assert_eq!(refused(invite(installation, "bob", "owner", ACME).await), "NOT_ALLOWED");
    installation.authz.says().denied.clear();
    let sent = invite(installation, "bob", "owner", ACME).await.unwrap();
    assert!(installation.authz.says().asked.contains(&format!("{ANN} revokes {}", standard.name)));
    installation.authz.says().denied.insert(format!("{ANN} revokes"));
    assert_eq!(refused(accept(installation, "bob", &sent.token).await), "INVITATION_VOID");
    installation.authz.says().denied.clear();
    let accepted = accept(installation, "bob", &sent.token).await.unwrap();
    let binding = accepted.role_binding.unwrap();
    assert_eq!((binding.name.as_str(), binding.role.as_str()), (standard.name.as_str(), role("owner").as_str()));
    assert_eq!(held_by(installation, ACME, "users/bob").await, [role("owner")]);
    // Who is new gets it instead of the default one.
    let sent = invite(installation, "cy", "owner", ACME).await.unwrap();
    accept(installation, "cy", &sent.token).await.unwrap();
    assert_eq!(held_by(installation, ACME, "users/cy").await, [role("owner")]);
}

pub(crate) async fn invitations_end_with_their_member_user_node_and_sponsor(installation: &Installation) {
    people(installation, &["ann", "bob", "cy", "dan"]).await;
    owned(installation, "acme").await;
    owned(installation, "other").await;
    let emea = installation.workspace(ACME, "emea").await.name;
    let apac = installation.workspace(ACME, "apac").await.name;
    let account = |workspace: &str, id: &str| CreateAccountRequest {
        parent: ACME.into(),
        account_id: id.into(),
        account: Some(Account { display_name: id.into(), workspace: workspace.into(), ..Account::default() }),
        ..Default::default()
    };
    for (workspace, id) in [(emea.as_str(), "a1"), (&apac, "a2")] {
        installation.accounts().create_account(by(ANN, account(workspace, id))).await.unwrap();
    }
    // With the member: those of the organization.
    let join = CreateMemberRequest { parent: ACME.into(), user: "users/bob".into(), ..Default::default() };
    let member = installation.members().create_member(by(ANN, join)).await.unwrap().into_inner().name;
    let here = invite(installation, "bob", "buyer", &emea).await.unwrap();
    let there = invite(installation, "bob", "buyer", "organizations/other").await.unwrap();
    let remove = DeleteMemberRequest { name: member, ..Default::default() };
    let removed = installation.members().delete_member(by(ANN, remove)).await.unwrap().into_inner();
    assert_eq!(removed.withdrawn_invitations.join(" "), here.name);
    assert_eq!((state(installation, &here.name).await, state(installation, &there.name).await), (State::Revoked, State::Pending));
    // With the user: all of them, in every tree.
    let delete = DeleteUserRequest { name: "users/bob".into(), ..Default::default() };
    installation.users().delete_user(by(PLATFORM, delete)).await.unwrap();
    assert_eq!(state(installation, &there.name).await, State::Revoked);
    // With the node, and what is below it.
    let mut ending = Vec::new();
    for node in [emea.as_str(), "organizations/acme/accounts/a1"] {
        ending.push(invite(installation, "eve", "buyer", node).await.unwrap().name);
    }
    let mut staying = Vec::new();
    for node in [ACME, apac.as_str(), "organizations/acme/accounts/a2"] {
        staying.push(invite(installation, "eve", "buyer", node).await.unwrap().name);
    }
    let delete = DeleteWorkspaceRequest { name: emea, force: true, ..Default::default() };
    installation.workspaces().delete_workspace(by(ANN, delete)).await.unwrap();
    for name in &ending {
        assert_eq!(state(installation, name).await, State::Revoked, "{name}");
    }
    for name in &staying {
        assert_eq!(state(installation, name).await, State::Pending, "{name}");
    }
    // With the partnership.
    let offer =
        Partnership { partner: "organizations/other".into(), node: ACME.into(), roles: vec![role("auditor")], ..Default::default() };
    let request = CreatePartnershipRequest { parent: ACME.into(), partnership: Some(offer), ..Default::default() };
    let partnership = installation.partnerships().create_partnership(by(ANN, request)).await.unwrap().into_inner().name;
    let request = AcceptPartnershipRequest { name: partnership.clone(), ..Default::default() };
    installation.partnerships().accept_partnership(by(ANN, request)).await.unwrap();
    let mut request = invitation("cy", "auditor", ACME);
    request.invitation.as_mut().unwrap().sponsor.clone_from(&partnership);
    let sponsored = send(installation, request).await.unwrap();
    let request = DeletePartnershipRequest { name: partnership, ..Default::default() };
    let ended = installation.partnerships().delete_partnership(by(ANN, request)).await.unwrap().into_inner();
    assert_eq!(ended.withdrawn_invitations.join(" "), sponsored.name);
    assert_eq!(refused(accept(installation, "cy", &sponsored.token).await), "WRONG_STATE");
    // And with the organization.
    let delete = DeleteOrganizationRequest { name: ACME.into(), force: true, ..Default::default() };
    installation.organizations().delete_organization(by(ANN, delete)).await.unwrap();
    for name in &staying {
        assert_eq!(state(installation, name).await, State::Revoked, "{name}");
    }
}

pub(crate) async fn what_has_expired_is_marked_and_at_last_forgotten(installation: &Installation) {
    people(installation, &["ann"]).await;
    owned(installation, "acme").await;
    let sent = CreateInvitationRequest { invitation_id: "i1".into(), ..invitation("eve", "buyer", ACME) };
    let name = send(installation, sent.clone()).await.unwrap().name;
    let now = chrono::Utc::now();
    let sweep = |days| installation.directory.sweep_expired(now + chrono::Duration::days(days));
    assert_eq!(sweep(13).await.unwrap(), 0);
    assert_eq!(sweep(15).await.unwrap(), 1);
    assert_eq!((state(installation, &name).await, read(installation, &name).await.etag.as_str()), (State::Expired, "2"));
    // By the clock of the sweep it ended then.
    assert_eq!(sweep(100).await.unwrap(), 0);
    assert_eq!(sweep(106).await.unwrap(), 1);
    let gone = installation.invitations().get_invitation(by(ANN, GetInvitationRequest { name })).await.unwrap_err();
    assert_eq!(reason(&gone), "NOT_FOUND");
    assert_eq!(refused(send(installation, sent).await), "ALREADY_EXISTS");
}

pub(crate) async fn invitations_are_listed_by_node_state_and_address(installation: &Installation) {
    people(installation, &["ann"]).await;
    owned(installation, "acme").await;
    let emea = installation.workspace(ACME, "emea").await.name;
    for (id, user, node) in
        [("i1", "cy", ACME), ("i2", "an", ACME), ("i3", "ann-b", emea.as_str()), ("i4", "bo", ACME), ("i5", "Anna", ACME)]
    {
        let request = CreateInvitationRequest { invitation_id: id.into(), ..invitation(user, "auditor", node) };
        send(installation, request).await.unwrap();
    }
    revoke(installation, ANN, "organizations/acme/invitations/i4").await.unwrap();
    let list = |node: &str, state: State, prefix: &str| ListInvitationsRequest {
        parent: ACME.into(),
        node: node.into(),
        state: state.into(),
        email_prefix: prefix.into(),
        page_size: 1,
        ..Default::default()
    };
    let any = State::Unspecified;
    for (request, expected) in [
        (list("", any, ""), vec!["i1", "i2", "i3", "i4", "i5"]),
        (list("", State::Pending, ""), vec!["i1", "i2", "i3", "i5"]),
        (list("", State::Revoked, ""), vec!["i4"]),
        (list("", State::Expired, ""), vec![]),
        (list(ACME, any, ""), vec!["i1", "i2", "i4", "i5"]),
        (list(&emea, State::Pending, ""), vec!["i3"]),
        (list("", any, "An"), vec!["i2", "i3", "i5"]),
        (list(ACME, any, "an"), vec!["i2", "i5"]),
        (list(ACME, State::Pending, "b"), vec![]),
        (list("", State::Revoked, "bo@example.com"), vec!["i4"]),
    ] {
        let (mut ids, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListInvitationsRequest { page_token, ..request.clone() };
            let page = installation.invitations().list_invitations(by(ANN, request)).await.unwrap().into_inner();
            assert!(page.invitations.iter().all(|row| row.token.is_empty() && row.revision == page.revision));
            ids.extend(page.invitations.iter().map(|row| row.name.rsplit('/').next().unwrap().to_owned()));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(ids, expected, "{request:?}");
    }
    let refusal = installation.invitations().list_invitations(by(ANN, list("organizations/other", any, "a b"))).await.unwrap_err();
    let details = refusal.get_error_details();
    let fields: Vec<_> = details.bad_request().unwrap().field_violations.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["node", "email_prefix"]);
    installation.authz.says().denied.insert(format!("invitations.get {emea}"));
    let refusal = installation.invitations().list_invitations(by(ANN, list(&emea, any, ""))).await.unwrap_err();
    assert_eq!(reason(&refusal), "NOT_ALLOWED");
}

pub(crate) async fn several_are_invited_by_one_commit_or_none(installation: &Installation) {
    people(installation, &["ann", "bob", "cy", "dan"]).await;
    owned(installation, "acme").await;
    for user in ["users/bob", "users/cy"] {
        let join = CreateMemberRequest { parent: ACME.into(), user: user.into(), ..Default::default() };
        installation.members().create_member(by(ANN, join)).await.unwrap();
    }
    let drafts = |users: &[(&str, &str)]| BatchCreateInvitationsRequest {
        parent: ACME.into(),
        drafts: users
            .iter()
            .map(|(user, role)| InvitationDraft { invitation: invitation(user, role, ACME).invitation, ..Default::default() })
            .collect(),
        ..Default::default()
    };
    let batch = async |request: BatchCreateInvitationsRequest| {
        Ok::<_, Status>(installation.invitations().batch_create_invitations(by(ANN, request)).await?.into_inner().invitations)
    };
    let before = installation.revision().await;
    // Two of them give up another role for it, which takes a permit of its own.
    let request = BatchCreateInvitationsRequest {
        request_id: Uuid::new_v4().to_string(),
        ..drafts(&[("bob", "owner"), ("x1", "buyer"), ("cy", "owner"), ("dan", "buyer")])
    };
    let made = batch(request.clone()).await.unwrap();
    assert_eq!(installation.revision().await, before + 1);
    assert!(made.iter().all(|one| one.token.len() == 43 && !one.revision.is_empty()));
    let again = batch(request).await.unwrap();
    assert!(again.iter().zip(&made).all(|(again, one)| *again == Invitation { token: String::new(), ..one.clone() }));
    for (user, one) in [("bob", &made[0]), ("cy", &made[2]), ("dan", &made[3])] {
        accept(installation, user, &one.token).await.unwrap();
    }
    assert_eq!(held_by(installation, ACME, "users/bob").await, [role("owner")]);

    // The first that cannot be made is named, and nothing is.
    let before = installation.revision().await;
    let index = |status: &Status| status.get_error_details().error_info().unwrap().metadata["index"].clone();
    let refusal = batch(drafts(&[("y1", "buyer"), ("y2", "buyer"), ("y3", "buyer"), ("y4", "buyer")])).await.unwrap_err();
    assert_eq!((reason(&refusal).as_str(), index(&refusal).as_str()), ("SEATS_TAKEN", "3"));
    let refusal = batch(drafts(&[("y1", "buyer"), ("Y1", "buyer")])).await.unwrap_err();
    assert_eq!((reason(&refusal).as_str(), index(&refusal).as_str()), ("ALREADY_EXISTS", "1"));
    installation.authz.says().denied.insert(format!("invites to {}", role("owner")));
    let refusal = batch(drafts(&[("y1", "buyer"), ("y2", "owner")])).await.unwrap_err();
    assert_eq!((reason(&refusal).as_str(), index(&refusal).as_str()), ("NOT_ALLOWED", "1"));
    let wrong = batch(drafts(&[("y1", "buyer"), ("", "Buyer")])).await.unwrap_err();
    let details = wrong.get_error_details();
    let fields: Vec<_> = details.bad_request().unwrap().field_violations.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["drafts[1].invitation.email", "drafts[1].invitation.role"]);
    assert_eq!(refused(batch(drafts(&[])).await), "INVALID_FIELD");
    assert_eq!(refused(batch(drafts(&vec![("y1", "buyer"); 101])).await), "INVALID_FIELD");
    assert_eq!(installation.revision().await, before);
}

pub(crate) async fn an_invited_customer_is_in_use_from_its_first_acceptance_on(installation: &Installation) {
    people(installation, &["ann", "bob", "cy"]).await;
    owned(installation, "agency").await;
    // No role is required, so nothing but the invitation keeps it from being in use.
    installation.authz.says().required.clear();
    let north = installation.workspace("organizations/agency", "north").await.name;
    let request = InviteCustomerRequest {
        parent: north.clone(),
        organization_id: "shop".into(),
        organization: Some(Organization {
            display_name: "Shop".into(),
            website: "https://shop.example".into(),
            location: "Lyon".into(),
            ..Default::default()
        }),
        email: "Bob@example.com".into(),
        role: role("owner"),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let invite_customer = async |request: InviteCustomerRequest| {
        Ok::<_, Status>(installation.invitations().invite_customer(by(ANN, request)).await?.into_inner())
    };
    for denied in ["organization.attach_customer".to_owned(), format!("{ANN} invites")] {
        installation.authz.says().denied.insert(denied);
        assert_eq!(refused(invite_customer(request.clone()).await), "NOT_ALLOWED");
        installation.authz.says().denied.clear();
    }
    let before = installation.revision().await;
    let made = invite_customer(request.clone()).await.unwrap();
    assert_eq!(installation.revision().await, before + 1);
    let (shop, invitation) = (made.organization.unwrap(), made.invitation.unwrap());
    assert_eq!(
        (shop.name.as_str(), shop.parent.as_str(), shop.state()),
        ("organizations/shop", north.as_str(), organization::State::Provisioning)
    );
    assert_eq!((shop.website.as_str(), shop.location.as_str()), ("https://shop.example", "Lyon"));
    assert_eq!((invitation.node.as_str(), invitation.token.len()), ("organizations/shop", 43));
    assert!(invite_customer(request.clone()).await.unwrap().invitation.unwrap().token.is_empty());
    let another = InviteCustomerRequest { request_id: String::new(), ..request };
    assert_eq!(refused(invite_customer(another).await), "ALREADY_EXISTS");

    let get = async || {
        let get = GetOrganizationRequest { name: "organizations/shop".into() };
        installation.organizations().get_organization(by(ANN, get)).await.unwrap().into_inner()
    };
    // Somebody else with a role is no acceptance.
    give(installation, "users/cy", "owner", "organizations/shop").await.unwrap();
    assert_eq!(get().await.state(), organization::State::Provisioning);
    accept(installation, "bob", &invitation.token).await.unwrap();
    let active = get().await;
    assert_eq!((active.state(), active.display_name.as_str()), (organization::State::Active, "Shop"));
}

/// What is told after a cursor, up to the next time that all is.
async fn told(installation: &Installation, cursor: &str) -> Vec<InvitationEvent> {
    let request = WatchInvitationEventsRequest { cursor: cursor.to_owned() };
    let mut stream = installation.invitations().watch_invitation_events(by(PLATFORM, request)).await.unwrap().into_inner();
    let mut events = Vec::new();
    loop {
        let event = stream.message().await.unwrap().unwrap();
        if event.kind() == Kind::Unspecified {
            return events;
        }
        events.push(event);
    }
}

pub(crate) async fn what_happens_to_invitations_is_told_once_in_order_and_without_secrets(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let request = |cursor: &str| WatchInvitationEventsRequest { cursor: cursor.to_owned() };
    let denied = installation.invitations().watch_invitation_events(by(ANN, request(""))).await.unwrap_err();
    assert_eq!(reason(&denied), "NOT_ALLOWED");
    // Nobody makes one up, not even of the right form.
    let head = installation.ledger.head().await.unwrap();
    for cursor in ["x".to_owned(), format!("{}.{}.0", head.epoch.simple(), head.revision)] {
        let refused = installation.invitations().watch_invitation_events(by(PLATFORM, request(&cursor))).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_FIELD");
    }
    assert!(told(installation, "").await.is_empty());

    let mut following = installation.invitations().watch_invitation_events(by(PLATFORM, request(""))).await.unwrap().into_inner();
    let first = invite(installation, "bob", "buyer", ACME).await.unwrap();
    let second = invite(installation, "eve", "buyer", ACME).await.unwrap();
    let resent = resend(installation, ANN, &first.name).await.unwrap();
    accept(installation, "bob", &resent.token).await.unwrap();
    revoke(installation, ANN, &second.name).await.unwrap();
    let third = invite(installation, "eve", "buyer", ACME).await.unwrap();
    let delete = DeleteOrganizationRequest { name: ACME.into(), force: true, ..Default::default() };
    installation.organizations().delete_organization(by(ANN, delete)).await.unwrap();

    let all = told(installation, "").await;
    let told_of = |events: &[InvitationEvent]| -> Vec<(Kind, String)> {
        events.iter().map(|event| (event.kind(), event.invitation.as_ref().unwrap().name.clone())).collect()
    };
    let expected = [
        (Kind::Created, first.name.clone()),
        (Kind::Created, second.name.clone()),
        (Kind::Resent, first.name.clone()),
        (Kind::Accepted, first.name.clone()),
        (Kind::Revoked, second.name.clone()),
        (Kind::Created, third.name.clone()),
        (Kind::Withdrawn, third.name.clone()),
    ];
    assert_eq!(told_of(&all), expected);
    assert_eq!((all[3].actor.as_str(), all[0].actor.as_str()), ("users/bob", ANN));
    // As it is now, and without its token.
    let now = all[0].invitation.clone().unwrap();
    assert_eq!((now.state(), now.email.as_str(), now.inviter.as_str(), now.token.as_str()), (State::Accepted, "bob@example.com", ANN, ""));
    assert!(all.iter().all(|event| event.invitation.as_ref().unwrap().token.is_empty()));
    // From every place on the rest, once.
    for (at, event) in all.iter().enumerate() {
        assert_eq!(told_of(&told(installation, &event.cursor).await), expected[at + 1..]);
    }
    // Another service has no use for them.
    let mut foreign = by(PLATFORM, request(&all[0].cursor));
    foreign.metadata_mut().insert("tenantry-caller", "services/other".parse().unwrap());
    assert_eq!(reason(&installation.invitations().watch_invitation_events(foreign).await.unwrap_err()), "INVALID_FIELD");
    // Who has followed all the while was told the same.
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let event = following.message().await.unwrap().unwrap();
        if event.kind() != Kind::Unspecified {
            seen.push(event);
        }
    }
    assert_eq!(told_of(&seen), expected);
    // After a restore there is no telling what of it has happened.
    installation.ledger.new_epoch().await.unwrap();
    let gone = installation.invitations().watch_invitation_events(by(PLATFORM, request(&all[0].cursor))).await.unwrap_err();
    assert_eq!((gone.code(), reason(&gone).as_str()), (Code::OutOfRange, "CURSOR_GONE"));
}

pub(crate) async fn a_verdict_about_an_invitation_is_that_of_the_call(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    let before = installation.revision().await;
    let try_it = CreateInvitationRequest { validate_only: true, ..invitation("bob", "buyer", ACME) };
    let verdict = send(installation, try_it.clone()).await.unwrap();
    assert!(verdict.token.is_empty() && verdict.state() == State::Pending);
    assert_eq!(installation.revision().await, before);
    let sent = invite(installation, "bob", "buyer", ACME).await.unwrap();
    assert_eq!(refused(send(installation, try_it).await), "ALREADY_EXISTS");
    let before = installation.revision().await;
    let try_it = |token: &str| AcceptInvitationRequest { token: token.into(), validate_only: true, ..Default::default() };
    let verdict = installation.invitations().accept_invitation(by("users/bob", try_it(&sent.token))).await.unwrap().into_inner();
    assert_eq!(verdict.role_binding.unwrap().role, role("buyer"));
    let resend = ResendInvitationRequest { name: sent.name.clone(), validate_only: true, ..Default::default() };
    assert!(installation.invitations().resend_invitation(by(ANN, resend)).await.unwrap().into_inner().token.is_empty());
    assert_eq!((installation.revision().await, state(installation, &sent.name).await), (before, State::Pending));
    installation.authz.says().denied.insert(format!("{ANN} invites"));
    let verdict = installation.invitations().accept_invitation(by("users/bob", try_it(&sent.token))).await.unwrap_err();
    assert_eq!(reason(&verdict), "INVITATION_VOID");
    installation.authz.says().denied.clear();
    accept(installation, "bob", &sent.token).await.unwrap();
    let verdict = installation.invitations().accept_invitation(by("users/bob", try_it(&sent.token))).await.unwrap_err();
    assert_eq!(reason(&verdict), "WRONG_STATE");
}

pub(crate) async fn all_that_is_wrong_with_an_invitation_is_said_at_once(installation: &Installation) {
    people(installation, &["ann"]).await;
    owned(installation, "acme").await;
    let wrong = Invitation {
        email: "ann".into(),
        role: "owner".into(),
        node: "organizations/other".into(),
        sponsor: "x".into(),
        ..Default::default()
    };
    let request = CreateInvitationRequest { parent: ACME.into(), invitation_id: "I".into(), invitation: Some(wrong), ..Default::default() };
    let refusal = send(installation, request).await.unwrap_err();
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    let details = refusal.get_error_details();
    let fields: Vec<_> = details.bad_request().unwrap().field_violations.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["invitation_id", "invitation.email", "invitation.role", "invitation.node", "invitation.sponsor"]);
    for days in [-1, 91] {
        let mut request = invitation("eve", "buyer", ACME);
        request.invitation.as_mut().unwrap().expire_time = Some(at(days * 86_400));
        assert_eq!(refused(send(installation, request).await), "INVALID_FIELD");
    }
    let mut request = invitation("eve", "buyer", ACME);
    request.invitation.as_mut().unwrap().binding_expire_time = Some(at(-1));
    assert_eq!(refused(send(installation, request).await), "INVALID_FIELD");
    assert_eq!(refused(invite(installation, "eve", "buyer", "organizations/acme/workspaces/none").await), "NOT_FOUND");
}
