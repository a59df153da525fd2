//! What is known of a method before it is called.

use std::{collections::HashMap, sync::Arc};

use prost::{DecodeError, Message};
use prost_types::FileDescriptorSet;

/// The methods of the contracts, by path: `/grpc.health.v1.Health/Check`.
#[derive(Debug)]
pub(crate) struct Methods(HashMap<String, Method>);

#[derive(Clone, Debug)]
pub(crate) struct Method {
    /// `grpc.health.v1.Health/Check`; `_OTHER` for what no contract has, since what anybody sends must not become a name.
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    /// Health is asked by those who decide whether the process lives: it is answered to everybody, and under any load.
    pub(crate) is_health: bool,
    /// Health and reflection streams tell nothing that could be missed, and end when the drain begins.
    pub(crate) is_built_in: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One message each way; the answer is there when its headers are.
    Unary,
    /// Either side may go on and on. Also what no contract has: the safe side.
    Stream,
}

impl Methods {
    pub(crate) fn read(descriptor_sets: &[&[u8]]) -> Result<Self, DecodeError> {
        let mut methods = HashMap::new();
        for bytes in descriptor_sets {
            for file in FileDescriptorSet::decode(*bytes)?.file {
                for service in &file.service {
                    let service_name = format!("{}.{}", file.package(), service.name());
                    let is_health = service_name == "grpc.health.v1.Health";
                    let is_built_in = is_health || service_name.starts_with("grpc.reflection.");
                    for method in &service.method {
                        let name = format!("{service_name}/{}", method.name());
                        let streams = method.client_streaming() || method.server_streaming();
                        let kind = if streams { Kind::Stream } else { Kind::Unary };
                        methods.insert(format!("/{name}"), Method { name: name.into(), kind, is_health, is_built_in });
                    }
                }
            }
        }
        Ok(Self(methods))
    }

    pub(crate) fn find(&self, path: &str) -> Method {
        match self.0.get(path) {
            Some(method) => method.clone(),
            None => Method { name: "_OTHER".into(), kind: Kind::Stream, is_health: false, is_built_in: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_from_their_contracts() {
        let methods = Methods::read(&[tonic_health::pb::FILE_DESCRIPTOR_SET, tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET]).unwrap();
        let check = methods.find("/grpc.health.v1.Health/Check");
        assert_eq!((&*check.name, check.kind, check.is_health), ("grpc.health.v1.Health/Check", Kind::Unary, true));
        assert_eq!(methods.find("/grpc.health.v1.Health/Watch").kind, Kind::Stream);
        let reflection = methods.find("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
        assert_eq!((reflection.kind, reflection.is_health, reflection.is_built_in), (Kind::Stream, false, true));
        let other = methods.find("/\u{1b}[31m/x");
        assert_eq!((&*other.name, other.kind), ("_OTHER", Kind::Stream));
    }
}
