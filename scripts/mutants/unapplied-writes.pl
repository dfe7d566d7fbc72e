# Qdrant answers a write before it has applied it.
# file: src/index/writer.rs
# test: directed::an_offset_waits_until_qdrant_has_applied_the_write
s/\.wait\(true\)/.wait(false)/;
