-- Health of OAuthClient, OAuthProvider and ClusterOAuthProvider for Argo CD. The three kinds follow the conventions of kstatus:
-- status.observedGeneration, and the conditions Reconciling and Stalled while they are true. Only base functions are used.

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(type, value)
  return conditions[type] ~= nil and conditions[type].status == value
end

local function health(code, type)
  local message = "Waiting for the operator"
  if conditions[type] ~= nil then
    message = conditions[type].reason .. ": " .. conditions[type].message
  end
  return { status = code, message = message }
end

local observed = status.observedGeneration == obj.metadata.generation

if is("Suspended", "True") then
  -- Suspended without another change, the client is as the manifest asks: later sync waves need not wait.
  if observed and is("Ready", "True") then
    return health("Healthy", "Suspended")
  end
  return health("Suspended", "Suspended")
end

if is("Reconciling", "True") then
  return health("Progressing", "Reconciling")
end

if not observed then
  return { status = "Progressing", message = "Waiting for the operator to process generation " .. tostring(obj.metadata.generation) }
end

if is("Stalled", "True") then
  return health("Degraded", "Stalled")
end

if is("Ready", "True") then
  return health("Healthy", "Ready")
end

return health("Progressing", "Ready")
