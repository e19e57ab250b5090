//! Bits of a message's `sysFlag`.

/// The body is compressed; how, says [`COMPRESSION_MASK`].
pub const COMPRESSED: i32 = 0x1;
pub const MULTI_TAGS: i32 = 0x2;
/// Outside of transactions these bits are 0.
pub const TRANSACTION_MASK: i32 = 0xC;
pub const TRANSACTION_PREPARED: i32 = 0x4;
pub const TRANSACTION_COMMIT: i32 = 0x8;
pub const TRANSACTION_ROLLBACK: i32 = 0xC;
/// The born host takes 16 bytes. Unknown to programs before 4.6.
pub const BORN_HOST_V6: i32 = 0x10;
/// The store host takes 16 bytes. Unknown to programs before 4.6.
pub const STORE_HOST_V6: i32 = 0x20;
/// 5.x: consumers take the message apart, as it holds several.
pub const NEEDS_UNWRAP: i32 = 0x40;
/// 5.x: the message is a batch that is stored as one.
pub const INNER_BATCH: i32 = 0x80;
/// How a compressed body is compressed; 0 and [`ZLIB`] both mean zlib.
pub const COMPRESSION_MASK: i32 = 0x700;
pub const LZ4: i32 = 0x100;
pub const ZSTD: i32 = 0x200;
pub const ZLIB: i32 = 0x300;
