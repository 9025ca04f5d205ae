//! What runs on one machine in place of the real thing: simulated carriers over HTTP, and a local control plane.

pub mod control_plane;
