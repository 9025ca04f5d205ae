-- Reads Ready and Stalled, which every kind of dialplane.dev that has a status sums its other conditions up in.
local status = obj.status or {}
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "The operator has not processed this spec yet"}
end
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "True" or condition.type == "Ready" then
    conditions[condition.type] = condition
  end
end
local ready = conditions.Ready or {status = "Unknown", reason = "Unknown", message = "The condition Ready is not set yet"}
local message = ready.reason .. ": " .. ready.message
if conditions.Stalled ~= nil then
  return {status = "Degraded", message = conditions.Stalled.reason .. ": " .. conditions.Stalled.message}
end
if obj.spec.suspend then
  return {status = "Suspended", message = message}
end
if ready.status == "True" then
  return {status = "Healthy", message = message}
end
return {status = "Progressing", message = message}
