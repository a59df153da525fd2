//! Users: messages to values and back.

use api::directory::v1::{
    self as proto,
    user::{Kind, State},
};
use decision::name::UserName;
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind as Compared, Offered, Way},
};
use tonic::{Request, Status};

use crate::store::user::UserFilter;
use crate::user::{Email, User, UserChange, UserDraft, UserKind};

const LONGEST_NAME: usize = 200;

/// The third is whether the caller has chosen the id.
pub(crate) fn read_create(request: &Request<proto::CreateUserRequest>) -> Result<(WriteCall, UserDraft, bool), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.UserService/CreateUser", &mut fields)?;
    let message = request.get_ref();
    let id = fields.id("user_id", &message.user_id);
    let user = fields.required("user", message.user.clone());
    let kind = match Kind::try_from(user.kind) {
        Ok(Kind::Unspecified | Kind::Person) => UserKind::Person,
        Ok(Kind::ServiceAccount) => UserKind::ServiceAccount,
        Err(_) => {
            fields.wrong("user.kind", "`KIND_PERSON` or `KIND_SERVICE_ACCOUNT`");
            UserKind::Person
        }
    };
    let email = read_email(&mut fields, &user.email);
    if kind == UserKind::Person && user.email.is_empty() {
        fields.wrong("user.email", "required for a person");
    }
    let display_name = fields.text("user.display_name", &user.display_name, LONGEST_NAME, false);
    let managed_by = match user.managed_by.as_str() {
        "" => None,
        text => fields.organization("user.managed_by", text),
    };
    let name = UserName::parse(&format!("users/{id}")).ok();
    let draft = name.map(|name| UserDraft { name, kind, email, display_name, managed_by });
    Ok((call, fields.finish(draft)?, !message.user_id.is_empty()))
}

pub(crate) fn read_get(request: &Request<proto::GetUserRequest>) -> Result<(Call, UserName), Status> {
    let call = Call::reading(request, "directory.v1.UserService/GetUser")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, UserName::parse);
    Ok((call, fields.finish(name)?))
}

const LISTED: Offered = Offered {
    fields: &[
        Field { name: "state", kind: Compared::Word(&["STATE_ACTIVE", "STATE_SUSPENDED"]) },
        Field { name: "kind", kind: Compared::Word(&["KIND_PERSON", "KIND_SERVICE_ACCOUNT"]) },
        Field { name: "email", kind: Compared::Text },
        Field { name: "display_name", kind: Compared::Text },
        Field { name: "create_time", kind: Compared::Time },
    ],
    ways: &[
        Way { order: "name", by: &[], bounded: false },
        Way { order: "name", by: &["state"], bounded: false },
        Way { order: "name", by: &["kind"], bounded: false },
        Way { order: "email", by: &[], bounded: true },
        Way { order: "display_name", by: &[], bounded: true },
        Way { order: "create_time", by: &[], bounded: true },
    ],
};

pub(crate) fn read_list(service: &Service, request: &Request<proto::ListUsersRequest>) -> Result<(Call, Page, UserFilter), Status> {
    let call = Call::reading(request, "directory.v1.UserService/ListUsers")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let filter = read_filter(&mut fields, &message.filter, &message.order_by, message.show_deleted);
    Ok((call, page, fields.finish(Some(filter))?))
}

/// Which, in which order.
pub(crate) fn read_filter(fields: &mut Fields, filter: &str, order_by: &str, with_deleted: bool) -> UserFilter {
    let query = fields.query_with_deleted(&LISTED, filter, order_by, with_deleted);
    UserFilter {
        with_deleted,
        suspended: query.is("state").map(|state| state == State::Suspended.as_str_name()),
        kind: query.is("kind").map(|kind| match kind == Kind::Person.as_str_name() {
            true => UserKind::Person,
            false => UserKind::ServiceAccount,
        }),
        query,
    }
}

pub(crate) fn read_update(request: &Request<proto::UpdateUserRequest>) -> Result<(WriteCall, UserName, UserChange, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.UserService/UpdateUser", &mut fields)?;
    let message = request.get_ref();
    let user = fields.required("user", message.user.clone());
    let name = fields.parse("user.name", &user.name, UserName::parse);
    let changeable = [("email", !user.email.is_empty()), ("display_name", !user.display_name.is_empty())];
    let chosen = fields.mask(message.update_mask.as_ref(), &changeable);
    let change = UserChange {
        email: chosen.contains("email").then(|| read_email(&mut fields, &user.email)),
        display_name: chosen.contains("display_name").then(|| fields.text("user.display_name", &user.display_name, LONGEST_NAME, false)),
    };
    let expected = fields.etag("user.etag", &user.etag);
    Ok((call, fields.finish(name)?, change, expected))
}

pub(crate) fn read_delete(request: &Request<proto::DeleteUserRequest>) -> Result<(WriteCall, UserName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.UserService/DeleteUser", &mut fields)?;
    let name = fields.parse("name", &request.get_ref().name, UserName::parse);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn read_suspend(request: &Request<proto::SuspendUserRequest>) -> Result<(WriteCall, UserName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.UserService/SuspendUser", &mut fields)?;
    let name = fields.parse("name", &request.get_ref().name, UserName::parse);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn read_reactivate(request: &Request<proto::ReactivateUserRequest>) -> Result<(WriteCall, UserName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.UserService/ReactivateUser", &mut fields)?;
    let name = fields.parse("name", &request.get_ref().name, UserName::parse);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn write(user: &User) -> proto::User {
    let kind = match user.kind {
        UserKind::Person => Kind::Person,
        UserKind::ServiceAccount => Kind::ServiceAccount,
    };
    let state = match (user.deleted, user.suspended) {
        (true, _) => State::Deleted,
        (false, true) => State::Suspended,
        (false, false) => State::Active,
    };
    proto::User {
        name: user.name.to_string(),
        email: user.email.as_ref().map(|email| email.as_str().to_owned()).unwrap_or_default(),
        display_name: user.display_name.clone(),
        kind: kind.into(),
        state: state.into(),
        managed_by: user.managed_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        email_verified: user.verified_email().is_some(),
        create_time: timestamp(user.create_time),
        update_time: timestamp(user.update_time),
        etag: etag(user.version),
        revision: String::new(),
    }
}

fn read_email(fields: &mut Fields, text: &str) -> Option<Email> {
    if text.is_empty() {
        return None;
    }
    let email = Email::parse(text);
    if email.is_none() {
        fields.wrong("user.email", format!("an e-mail address, for example `ann@example.com`, at most {} characters", Email::LONGEST));
    }
    email
}
