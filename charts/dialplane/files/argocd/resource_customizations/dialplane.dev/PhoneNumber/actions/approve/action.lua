-- Buys the very number that is shown: another offer needs another yes.
if obj.status == nil or obj.status.offer == nil or obj.status.offer.number == nil then
  error("status.offer shows no number")
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["dialplane.dev/approve"] = obj.status.offer.number
return obj
