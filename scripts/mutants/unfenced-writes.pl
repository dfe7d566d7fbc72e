# A member whose partition has another owner writes all the same.
# file: src/index/conditions.rs
# test: directed::a_write_that_arrives_after_the_successors_changes_nothing
s/must_not: vec!\[written_above\(epoch\)\]/must_not: Vec::new()/;
