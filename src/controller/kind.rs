//! The kinds that are followed, and one object of one of them to work on. No I/O.

use std::sync::Arc;

use crate::api::{each_kind, meta::Key};

macro_rules! kinds {
    ($($kind:ident)*) => {
        /// A kind that is followed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($kind,)*
            /// Read for its labels. There is nothing to do for one.
            Namespace,
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)* Self::Namespace];

            /// The kind as it stands in manifests, logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)*
                    Self::Namespace => "Namespace",
                }
            }
        }
    };
}
each_kind!(kinds);

/// One object to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    pub kind: Kind,
    pub key: Arc<Key>,
}
