local suspended = obj.spec.suspend == true
local offer = obj.status ~= nil and obj.status.offer ~= nil and obj.status.offer.number or nil
local approved = (obj.metadata.annotations or {})["dialplane.dev/approve"]
return {
  suspend = {disabled = suspended},
  resume = {disabled = not suspended},
  reconcile = {},
  approve = {disabled = offer == nil or approved == offer},
  abandon = {disabled = obj.metadata.deletionTimestamp == nil},
}
