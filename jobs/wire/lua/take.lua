-- Takes the first message of several lists and writes down who has it, in one step: between the two nothing can be lost.
-- KEYS: lists, the first before the others; key of the consumer's last take, unacked_index, unacked.
-- ARGV: the worker's key, number of this take.
-- Answers nothing; or {list, message, how}. how: 0 it is written down nowhere, since it says neither its tag nor where
--   it came from; 1 it is written down as kombu does; 2 a take of this number had been answered before: it is the entry
--   that was made for it.
-- The lists are looked at at the end, so that who lets Redis track what it reads (CLIENT TRACKING) hears of a change.
local lists, last, index, unacked = #KEYS - 3, KEYS[#KEYS - 2], KEYS[#KEYS - 1], KEYS[#KEYS]
local holder = ', "jobsite_holder": ' .. cjson.encode(ARGV[1]) .. '}'
local KEEP = 3600  -- [s]

-- The tag of a message and its entry in `unacked`. Of the message the text stays as it is: Lua's numbers and empty
-- tables would come out as others.
local function entry(text)
  local ok, message = pcall(cjson.decode, text)
  if not ok or type(message) ~= 'table' or string.sub(text, -1) ~= '}' then return nil end
  local properties = message.properties
  local where = type(properties) == 'table' and properties.delivery_info
  if type(where) ~= 'table' or type(properties.delivery_tag) ~= 'string' then return nil end
  if type(where.exchange) ~= 'string' or type(where.routing_key) ~= 'string' then return nil end
  return properties.delivery_tag, '[' .. string.sub(text, 1, -2) .. holder .. ', ' .. cjson.encode(where.exchange)
    .. ', ' .. cjson.encode(where.routing_key) .. ']'
end

local before = redis.call('GET', last)
if before then
  local number, list, tag = unpack(cjson.decode(before))
  if number == ARGV[2] then
    local text = redis.call('HGET', unacked, tag)
    if text and string.find(text, holder, 1, true) then return {list, text, 2} end
  end
end

for i = 1, lists do
  local text = redis.call('RPOP', KEYS[i])
  if text then
    local tag, written = entry(text)
    if not tag then return {KEYS[i], text, 0} end
    -- As of the first write Redis refuses nothing more for want of memory; what it refuses still is put back.
    local done = redis.pcall('HSET', unacked, tag, written)
    if type(done) ~= 'table' then done = redis.pcall('ZADD', index, redis.call('TIME')[1], tag) end
    if type(done) == 'table' then
      redis.call('RPUSH', KEYS[i], text)
      return done
    end
    redis.call('SET', last, cjson.encode({ARGV[2], KEYS[i], tag}), 'EX', KEEP)
    return {KEYS[i], text, 1}
  end
end
redis.call('EXISTS', unpack(KEYS, 1, lists))
return nil
