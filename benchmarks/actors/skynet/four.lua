-- A service of four functions.
local skynet = require "skynet"

local items, commands = {}, {}

function commands.get(key)
	return items[key]
end

function commands.put(key, value)
	items[key] = value
end

function commands.delete(key)
	items[key] = nil
end

function commands.keys()
	local keys = {}
	for key in pairs(items) do
		keys[#keys + 1] = key
	end
	return keys
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, command, ...)
		skynet.retpack(commands[command](...))
	end)
end)
