//! Sockets
