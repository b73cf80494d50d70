//! Secrets: passwords and keys. Who needs none gets none.

use crate::Config;
use crate::shape::{Shape, settings};
use serde_json::Value;

/// What stands in the place of a secret that is set, for whoever reads the configuration.
pub const HIDDEN: &str = "********";

/// Puts other words in the place of every secret that is set.
pub fn conceal(shape: &Shape, value: &mut Value, with: &str) {
    match (shape, value) {
        (Shape::Text(text), Value::String(secret)) if text.secret && !secret.is_empty() => {
            with.clone_into(secret);
        }
        (Shape::Group(group), value) => {
            for field in &group.fields {
                if let Some(value) = value.get_mut(&field.name) {
                    conceal(&field.shape, value, with);
                }
            }
        }
        (Shape::List(list), Value::Array(values)) => {
            for value in values {
                conceal(&list.of, value, with);
            }
        }
        (Shape::Choice(variants), Value::Object(content)) => {
            for variant in variants {
                if let (Some(shape), Some(value)) = (&variant.content, content.get_mut(&variant.name)) {
                    conceal(shape, value, with);
                }
            }
        }
        _ => {}
    }
}

impl Config {
    /// The configuration as JSON with [`HIDDEN`] in the place of every secret.
    #[must_use]
    pub fn public(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        for half in &settings().fields {
            if let Some(value) = value.get_mut(&half.name) {
                conceal(&half.shape, value, HIDDEN);
            }
        }
        value
    }

    /// The configuration with every secret empty: no password is right, and nothing can be signed. Should there be no
    /// such form, which the model's own types exclude, it is empty altogether.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        for half in &settings().fields {
            if let Some(value) = value.get_mut(&half.name) {
                conceal(&half.shape, value, "");
            }
        }
        serde_json::from_value(value).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::valid_config;
    use crate::{Certificate, CertificateOrigin, Secret};

    #[test]
    fn who_needs_no_secret_gets_none_and_all_the_rest() {
        let mut config = valid_config();
        config.shared.snmp.community = Secret("hush-snmp".into());
        config.unit.pair.code = Secret("hush-pair".into());
        config.shared.certificates.push(Certificate {
            name: "shop".into(),
            chain: "the chain".into(),
            key: Secret("hush-key".into()),
            origin: CertificateOrigin::Uploaded,
        });
        let bare = config.without_secrets();
        let text = serde_json::to_string(&bare).unwrap();
        assert!(!text.contains("hush") && !text.contains("argon2id"), "{text}");
        assert!(text.contains("the chain"));
        assert_eq!(bare.shared.virtual_services, config.shared.virtual_services);
        assert_eq!(bare.unit.interfaces, config.unit.interfaces);
        let text = config.public().to_string();
        assert!(!text.contains("hush") && !text.contains("argon2id"), "{text}");
        assert!(text.contains("********"), "that there is one is no secret");
    }
}
