-- Lets what is being deleted go without taking routes back. Before that it would be an answer to a question that nobody asked.
if obj.metadata.deletionTimestamp == nil then
  error("only an object that is being deleted can be abandoned")
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["dialplane.dev/abandon"] = "true"
return obj
