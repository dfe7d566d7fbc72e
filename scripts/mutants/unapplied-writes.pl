# Qdrant answers a write before it has applied it.
# file: src/index/batch.rs
# test: directed::an_offset_waits_until_qdrant_has_applied_the_write
s/wire::varint\(&mut head, WAIT, 1\)/wire::varint(&mut head, WAIT, 0)/;
