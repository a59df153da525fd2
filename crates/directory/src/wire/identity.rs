//! Identities: messages to values and back.

use api::directory::v1::{self as proto, lookup_user_request::By};
use decision::name::{NodeName, UserName};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Fields, timestamp},
};
use tonic::{Request, Status};

use crate::{
    identity::{Identity, IdentityKey, Issuer, IssuerUri, Subject},
    user::Email,
};

/// By what somebody is looked up.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Identity(IdentityKey),
    Email(Email),
}

pub(crate) fn read_register(request: &Request<proto::RegisterIssuerRequest>) -> Result<(WriteCall, IssuerUri, NodeName), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.IdentityService/RegisterIssuer", &mut fields)?;
    let issuer = fields.required("issuer", request.get_ref().issuer.clone());
    let uri = read_uri(&mut fields, "issuer.uri", &issuer.uri);
    let organization = fields.organization("issuer.organization", &issuer.organization);
    let (uri, organization) = fields.finish(uri.zip(organization))?;
    Ok((call, uri, organization))
}

pub(crate) fn read_unregister(request: &Request<proto::UnregisterIssuerRequest>) -> Result<(WriteCall, IssuerUri), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.IdentityService/UnregisterIssuer", &mut fields)?;
    let uri = read_uri(&mut fields, "uri", &request.get_ref().uri);
    Ok((call, fields.finish(uri)?))
}

pub(crate) fn read_list_issuers(service: &Service, request: &Request<proto::ListIssuersRequest>) -> Result<(Call, Page, NodeName), Status> {
    let call = Call::reading(request, "directory.v1.IdentityService/ListIssuers")?;
    let mut fields = Fields::default();
    let page = call.page(request.get_ref(), service, &mut fields)?;
    let organization = fields.organization("parent", &request.get_ref().parent);
    Ok((call, page, fields.finish(organization)?))
}

pub(crate) fn read_link(request: &Request<proto::LinkIdentityRequest>) -> Result<(WriteCall, UserName, IdentityKey), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.IdentityService/LinkIdentity", &mut fields)?;
    let message = request.get_ref();
    let (user, key) = read_whose(fields, &message.user, message.identity.clone())?;
    Ok((call, user, key))
}

pub(crate) fn read_unlink(request: &Request<proto::UnlinkIdentityRequest>) -> Result<(WriteCall, UserName, IdentityKey), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.IdentityService/UnlinkIdentity", &mut fields)?;
    let message = request.get_ref();
    let (user, key) = read_whose(fields, &message.user, message.identity.clone())?;
    Ok((call, user, key))
}

pub(crate) fn read_list(request: &Request<proto::ListIdentitiesRequest>) -> Result<(Call, UserName), Status> {
    let call = Call::reading(request, "directory.v1.IdentityService/ListIdentities")?;
    let mut fields = Fields::default();
    let user = fields.parse("user", &request.get_ref().user, UserName::parse);
    Ok((call, fields.finish(user)?))
}

pub(crate) fn read_lookup(request: &Request<proto::LookupUserRequest>) -> Result<(Call, Known), Status> {
    let call = Call::reading(request, "directory.v1.IdentityService/LookupUser")?;
    let mut fields = Fields::default();
    let known = match &request.get_ref().by {
        Some(By::Identity(identity)) => read_key(&mut fields, identity).map(Known::Identity),
        Some(By::Email(text)) => match Email::parse(text) {
            Some(email) => Some(Known::Email(email)),
            None => {
                fields.wrong("email", "an e-mail address, for example `ann@example.com`");
                None
            }
        },
        None => {
            fields.wrong("by", "an identity or an e-mail address");
            None
        }
    };
    Ok((call, fields.finish(known)?))
}

pub(crate) fn write_issuer(issuer: &Issuer) -> proto::Issuer {
    proto::Issuer {
        uri: issuer.uri.as_str().to_owned(),
        organization: issuer.organization.to_string(),
        create_time: timestamp(issuer.create_time),
        revision: String::new(),
    }
}

pub(crate) fn write(identity: &Identity) -> proto::Identity {
    proto::Identity {
        issuer: identity.key.issuer.as_str().to_owned(),
        subject: identity.key.subject.as_str().to_owned(),
        user: identity.user.to_string(),
        create_time: timestamp(identity.create_time),
        revision: String::new(),
    }
}

fn read_whose(mut fields: Fields, user: &str, identity: Option<proto::Identity>) -> Result<(UserName, IdentityKey), Status> {
    let user = fields.parse("user", user, UserName::parse);
    let identity = fields.required("identity", identity);
    let key = read_key(&mut fields, &identity);
    fields.finish(user.zip(key))
}

fn read_key(fields: &mut Fields, identity: &proto::Identity) -> Option<IdentityKey> {
    let issuer = read_uri(fields, "identity.issuer", &identity.issuer);
    let subject = Subject::parse(&identity.subject);
    if subject.is_none() {
        fields.wrong("identity.subject", format!("1 to {} ASCII characters that can be seen", Subject::LONGEST));
    }
    Some(IdentityKey { issuer: issuer?, subject: subject? })
}

fn read_uri(fields: &mut Fields, path: &str, text: &str) -> Option<IssuerUri> {
    let uri = IssuerUri::parse(text);
    if uri.is_none() {
        fields.wrong(path, format!("an absolute URI, for example `https://login.acme.example`, at most {} characters", IssuerUri::LONGEST));
    }
    uri
}
