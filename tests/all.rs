//! Every integration test, in one binary, so that one control plane serves the whole run.

mod plan;
