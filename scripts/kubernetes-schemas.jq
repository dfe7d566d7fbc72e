# The schemas that kubeconform checks with, made of Kubernetes' OpenAPI documents: what they refer to is put in its place, and fields that
# an object does not have are refused.
def inline($all):
  if type == "object" then
    if has("$ref") then $all[."$ref" | ltrimstr("#/components/schemas/")] | inline($all)
    else
      map_values(inline($all))
      | if has("properties") and (has("additionalProperties") | not) then .additionalProperties = false else . end
    end
  elif type == "array" then map(inline($all))
  else . end;

.components.schemas as $all
| $all[]
| ."x-kubernetes-group-version-kind"[0]? as $is
| select($is.kind | IN("ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"))
| ([$is.kind, ($is.group | split(".")[0] // empty), $is.version] | map(select(. != "")) | join("-") | ascii_downcase) as $name
| {$name, schema: inline($all)}
